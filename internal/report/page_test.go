package report

import (
	"bytes"
	"strings"
	"testing"

	"enilab/internal/bench"

	"golang.org/x/net/html"
)

func parsed(t *testing.T, d *Data) (*html.Node, string) {
	t.Helper()
	var b bytes.Buffer
	if err := d.WritePage(&b); err != nil {
		t.Fatal(err)
	}
	root, err := html.Parse(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return root, b.String()
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// TestPageIsSound checks what a reader who does not see the pictures needs, for every sort of data.
func TestPageIsSound(t *testing.T) {
	for name, d := range cases(t) {
		root, text := parsed(t, d)
		ids := map[string]int{}
		count := map[string]int{}
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			count[n.Data]++
			if id := attribute(n, "id"); id != "" {
				ids[id]++
			}
			switch n.Data {
			case "svg":
				if attribute(n, "role") != "img" || len(strings.Fields(attribute(n, "aria-labelledby"))) != 2 {
					t.Errorf("%s: an svg is no picture to a screen reader: %v", name, n.Attr)
				}
			case "th":
				if attribute(n, "scope") == "" {
					t.Errorf("%s: a th has no scope", name)
				}
			case "table":
				if n.FirstChild.NextSibling == nil || n.FirstChild.NextSibling.Data != "caption" {
					t.Errorf("%s: a table has no caption", name)
				}
			}
		}
		for id, n := range ids {
			if n > 1 {
				t.Errorf("%s: %d elements have the id %q", name, n, id)
			}
		}
		for n := range root.Descendants() {
			for _, a := range n.Attr {
				switch {
				case a.Key == "aria-labelledby":
					for id := range strings.FieldsSeq(a.Val) {
						if ids[id] == 0 {
							t.Errorf("%s: nothing has the id %q", name, id)
						}
					}
				case a.Key == "href" && strings.HasPrefix(a.Val, "#") && ids[a.Val[1:]] == 0:
					t.Errorf("%s: a link to %q leads nowhere", name, a.Val)
				case a.Key == "fill" && strings.HasPrefix(a.Val, "url(#") && ids[strings.TrimSuffix(a.Val[5:], ")")] == 0:
					t.Errorf("%s: there is no texture %q", name, a.Val)
				}
			}
		}
		if pictures := len(d.Pictures()); count["figure"] != pictures || count["figcaption"] != pictures || count["figure"] == 0 {
			t.Errorf("%s: %d figures, %d captions for %d pictures", name, count["figure"], count["figcaption"], pictures)
		}
		if count["h1"] != 1 || count["main"] != 1 || count["script"] != 0 || count["link"] != 1 {
			t.Errorf("%s: elements %v", name, count)
		}
		for _, never := range []string{"NaN", "Inf", "ZgotmplZ", "%!", "http://", "https://"} {
			if strings.Contains(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), never) {
				t.Errorf("%s: the page contains %q", name, never)
			}
		}
	}
}

// TestMissing checks that a section without figures says what makes them, or why they are not there.
func TestMissing(t *testing.T) {
	missing := func(d *Data) map[string]string {
		all := map[string]string{}
		for _, s := range d.Sections() {
			if len(s.Missing) > 0 {
				all[s.ID] = strings.Join(s.Missing, " ")
			} else if len(s.Pictures) == 0 {
				t.Errorf("section %s is empty and says nothing", s.ID)
			}
		}
		return all
	}
	if m := missing(dataOf(t, newMaker(1).bench(3), newMaker(2).rollout(100))); len(m) != 0 {
		t.Errorf("missing of all: %v", m)
	}
	m := missing(dataOf(t, newMaker(1).bench(3)))
	if len(m) != 1 || !strings.Contains(m["drop"], rolloutCommand) {
		t.Errorf("missing without a rollout: %v", m)
	}
	m = missing(dataOf(t, newMaker(2).rollout(100)))
	if len(m) != len(new(Data).Sections())-1 || m["drop"] != "" || !strings.Contains(m["waterfall"], benchCommand) {
		t.Errorf("missing without a bench: %v", m)
	}
	r := &bench.Report{Schema: bench.Schema, Skipped: []bench.Skipped{{Scenario: "language", Variant: "java", Reason: "there is no JDK"}}}
	if m = missing(dataOf(t, r)); m["languages"] != "Not measured: java: there is no JDK." {
		t.Errorf("missing of what was skipped: %q", m["languages"])
	}
	_, text := parsed(t, dataOf(t, r))
	for _, says := range []string{"there is no JDK", "enilab rollout --format json &gt; rollout.json"} {
		if !strings.Contains(text, says) {
			t.Errorf("the page does not say %q", says)
		}
	}
}

// TestWordsFollowFigures changes a figure and finds the change in what is said.
func TestWordsFollowFigures(t *testing.T) {
	r := newMaker(1).bench(3)
	says := func() string {
		var b strings.Builder
		d := dataOf(t, r)
		for _, p := range d.Pictures() {
			b.WriteString(p.Name + ": " + p.Says + "\n")
		}
		for _, f := range d.Facts() {
			b.WriteString("fact " + f.Label + ": " + f.Value + ", " + f.About + "\n")
		}
		return b.String()
	}
	before := strings.Split(says(), "\n")
	for i := range r.Figures {
		f := &r.Figures[i]
		f.P50, f.P99, f.Ratio = f.P50*1.7, f.P99*3.1, f.Ratio*1.7
		if f.Variant == "shared" || f.At > 100 {
			f.P50 *= 1.3
		}
	}
	for i := range r.Starts {
		r.Starts[i].Total *= 2
	}
	for i := range r.Bursts {
		r.Bursts[i].Wall *= 2
	}
	for i, line := range strings.Split(says(), "\n") {
		if line != "" && line == before[i] {
			t.Errorf("whatever the figures are, the report says %q", line)
		}
	}
}
