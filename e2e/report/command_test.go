package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("empty.json", "")
	write("words.json", "no figures at all")
	write("newer.json", `{"schema":"enilab.bench/v9"}`)
	write("other.json", `{"schema":"nobody/v1"}`)
	huge, err := os.Create(filepath.Join(dir, "huge.json")) // sparse
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(huge.Truncate(1<<40), huge.Close()); err != nil {
		t.Fatal(err)
	}
	write("file", "")
	before := names(t, dir)
	for name, c := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"nothing":           {nil, 2, []string{"enilab bench --format json > bench.json", "enilab rollout --format json > rollout.json"}},
		"no output":         {[]string{sample("bench.json")}, 2, []string{"-o report.html"}},
		"a format":          {[]string{sample("bench.json"), "-o", "x", "--format", "pdf"}, 2, []string{`"pdf"`, "html svg png csv"}},
		"pictures to -":     {[]string{sample("bench.json"), "-o", "-", "--format", "svg"}, 2, []string{"directory"}},
		"no file":           {[]string{"absent.json", "-o", "x.html"}, 2, []string{"absent.json"}},
		"a directory":       {[]string{".", "-o", "x.html"}, 2, []string{"directory"}},
		"empty":             {[]string{"empty.json", "-o", "x.html"}, 2, []string{"empty.json is empty"}},
		"no JSON":           {[]string{"words.json", "-o", "x.html"}, 2, []string{"words.json is not JSON", "--format json"}},
		"newer":             {[]string{"newer.json", "-o", "x.html"}, 2, []string{"newer.json", "enilab.bench/v9"}},
		"another's":         {[]string{sample("bench.json"), "other.json", "-o", "x.html"}, 2, []string{"other.json", "nobody/v1"}},
		"huge":              {[]string{"huge.json", "-o", "x.html"}, 2, []string{"huge.json is larger than 64 MiB"}},
		"nowhere to write":  {[]string{sample("bench.json"), "-o", "absent/x.html"}, 2, []string{"absent/x.html"}},
		"over a directory":  {[]string{sample("bench.json"), "-o", "."}, 2, []string{"not a file"}},
		"under a file":      {[]string{sample("bench.json"), "-o", "file/x", "--format", "svg"}, 2, []string{"--output file/x: not a directory"}},
		"into a full disk":  {[]string{sample("bench.json"), "-o", "/dev/full"}, 2, []string{"/dev/full"}},
		"an unknown option": {[]string{sample("bench.json"), "--colour"}, 2, []string{"--colour"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := report(t, dir, "", c.args...)
			if r.code != c.code || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "enilab: ") {
				t.Errorf("exit code %d, want %d and one line on stderr:\n%s%s", r.code, c.code, r.stdout, r.stderr)
			}
			for _, says := range c.says {
				if !strings.Contains(r.stderr, says) {
					t.Errorf("%q does not say %q", r.stderr, says)
				}
			}
			if after := names(t, dir); !slices.Equal(before, after) {
				t.Errorf("left behind: %v, before it was %v", after, before)
			}
		})
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestKeepsTheOldReport writes over a report until the disk is full.
func TestKeepsTheOldReport(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "report.html")
	if err := os.WriteFile(old, []byte("the old one"), 0o600); err != nil {
		t.Fatal(err)
	}
	limit(t, func() {
		if r := report(t, dir, "", sample("bench.json"), "-o", "report.html"); r.code != 1 || !strings.Contains(r.stderr, "report.html") {
			t.Errorf("exit code %d: %s", r.code, r.stderr)
		}
	})
	if text, err := os.ReadFile(old); err != nil || string(text) != "the old one" {
		t.Errorf("the old report is now %.60q, %v", text, err)
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("left behind: %v", n)
	}
	if r := report(t, dir, "", sample("bench.json"), "-o", "report.html"); r.code != 0 {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	if info, err := os.Stat(old); err != nil || info.Mode().Perm() != 0o600 || info.Size() < 10_000 {
		t.Errorf("the new report: %v, %v", info, err)
	}
}

// limit runs fn while files cannot grow beyond 10 kB, of this process and those it starts.
func limit(t *testing.T, fn func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 10_000, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	fn()
}

// TestStreams reads standard input and writes to standard output; the page is the same each time.
func TestStreams(t *testing.T) {
	text, err := os.ReadFile(sample("bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	first := report(t, t.TempDir(), string(text), "-", "-o", "-")
	second := report(t, t.TempDir(), string(text), "-", "-o", "-")
	if first.code != 0 || first.stderr != "" || !strings.HasPrefix(first.stdout, "<!DOCTYPE html>") || !strings.HasSuffix(first.stdout, "</html>\n") {
		t.Errorf("exit code %d: %.80q… %s", first.code, first.stdout, first.stderr)
	}
	if first.stdout != second.stdout {
		t.Error("the same figures give another page")
	}
}

// TestFormats writes a file for each picture in each format and reads it.
func TestFormats(t *testing.T) {
	pictures := map[string][]string{}
	for _, format := range []string{"svg", "png", "csv"} {
		dir := filepath.Join(t.TempDir(), "made", "for this")
		r := report(t, t.TempDir(), "", sample("bench.json"), sample("rollout.json"), "--format", format, "-o", dir)
		if r.code != 0 || r.stdout != "" {
			t.Fatalf("%s: exit code %d: %s", format, r.code, r.stderr)
		}
		for _, name := range names(t, dir) {
			stem, ok := strings.CutSuffix(name, "."+format)
			if !ok {
				t.Errorf("%s: what is %s?", format, name)
			}
			pictures[format] = append(pictures[format], stem)
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			readPicture(t, format, name, text)
		}
	}
	for _, want := range []string{"waterfall", "distribution-attach", "distribution-total", "burst-30", "addresses", "drop", "languages", "growth", "datapath", "limits"} {
		if !slices.Contains(pictures["svg"], want) {
			t.Errorf("there is no %s.svg: %v", want, pictures["svg"])
		}
	}
	if !slices.Equal(pictures["svg"], pictures["png"]) || !slices.Equal(pictures["svg"], pictures["csv"]) {
		t.Errorf("not the same pictures: %v", pictures)
	}
}

func readPicture(t *testing.T, format, name string, text []byte) {
	t.Helper()
	switch format {
	case "svg":
		x := xml.NewDecoder(bytes.NewReader(text))
		for {
			if _, err := x.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if bytes.Contains(text, []byte("var(--")) || bytes.Contains(text, []byte("class=")) {
			t.Errorf("%s needs a style sheet", name)
		}
	case "png":
		img, err := png.Decode(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		seen := map[[3]uint32]bool{}
		b := img.Bounds()
		for y := b.Min.Y; y < b.Max.Y; y += 2 {
			for x := b.Min.X; x < b.Max.X; x += 2 {
				r, g, b, _ := img.At(x, y).RGBA()
				seen[[3]uint32{r, g, b}] = true
			}
		}
		if b.Dx() != 1640 || len(seen) < 10 {
			t.Errorf("%s is %v with %d colours", name, b, len(seen))
		}
	case "csv":
		if rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll(); err != nil || len(rows) < 3 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}
