package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// hostileName tries to leave each place that names are put into: elements, attributes, titles, style sheets, CSV.
const hostileName = "</title></svg><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\x00\u202e]]>url(javascript:3)"

// TestNamesAreNoMarkup parses the page as a browser does, and looks for elements and attributes that are not the report's.
func TestNamesAreNoMarkup(t *testing.T) {
	d := cases(t)["hostile"]
	d.sources[0].Name = hostileName
	d.bench.Version, d.bench.Host.CPU = hostileName, hostileName
	d.bench.Skipped[0].Reason = hostileName
	var page bytes.Buffer
	if err := d.WritePage(&page); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "&lt;script&gt;alert(1)") {
		t.Error("the hostile name is nowhere: this tests nothing")
	}
	if strings.ContainsAny(page.String(), "\x00\u202e") {
		t.Error("the page has control characters")
	}
	root, err := html.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "img", "iframe", "object", "embed", "form", "foreignobject":
			t.Errorf("the page has an element %s", n.Data)
		}
		for _, a := range n.Attr {
			value := strings.ToLower(a.Val)
			switch {
			case strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s has an attribute %s=%q", n.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(value, "#") && value != "data:,":
				t.Errorf("%s leads to %q", n.Data, a.Val)
			case a.Key != "aria-label" && strings.Contains(value, "javascript"):
				t.Errorf("%s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
}

// TestFilesAreXML reads every picture's file as XML.
func TestFilesAreXML(t *testing.T) {
	for name, d := range cases(t) {
		for _, p := range d.Pictures() {
			var file bytes.Buffer
			if err := p.Alone().WriteFile(&file); err != nil {
				t.Fatal(err)
			}
			x := xml.NewDecoder(&file)
			for {
				token, err := x.Token()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s, %s: %v", name, p.Name, err)
				}
				if e, ok := token.(xml.StartElement); ok && (e.Name.Local == "script" || e.Name.Local == "img") {
					t.Errorf("%s, %s: element %s", name, p.Name, e.Name.Local)
				}
			}
		}
	}
}
