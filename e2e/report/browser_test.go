package report_test

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// look.js finds what is wrong with a page as it is shown.
//
//go:embed look.js
var lookJS string

// browser finds Chromium. Where it is missing the test is skipped, but not in CI.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("CI must have Chromium (Debian: chromium)")
	}
	t.Skip("there is no Chromium here (Debian: chromium)")
	return ""
}

// visit is a page in a browser, with all that it has complained of and asked for.
type visit struct {
	context.Context
	mu         sync.Mutex // guards what follows
	complaints []string
	requests   []string
}

// open shows a file.
func open(t *testing.T, file string) *visit {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	v := new(visit)
	ctx, end := chromedp.NewContext(ctx, chromedp.WithListener(v.hear))
	t.Cleanup(end)
	v.Context = ctx
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	if err == nil {
		_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	}
	if err == nil {
		err = chromedp.Do(ctx, chromedp.Navigate("file://"+file))
	}
	if err != nil {
		t.Fatalf("show %s: %v", file, err)
	}
	t.Cleanup(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, c := range v.complaints {
			t.Errorf("the browser complains: %s", c)
		}
		for _, r := range v.requests {
			if r != "file://"+file && r != "data:," {
				t.Errorf("the page asks for %s", r)
			}
		}
		if !slices.Contains(v.requests, "file://"+file) {
			t.Errorf("requests were not seen: %v", v.requests)
		}
	})
	return v
}

func (v *visit) hear(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.complaints = append(v.complaints, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		v.complaints = append(v.complaints, fmt.Sprintf("console.%s", e.Type))
	case *log.EventEntryAdded:
		v.complaints = append(v.complaints, fmt.Sprintf("%s: %s", e.Entry.Level, e.Entry.Text))
	case *network.EventRequestWillBeSent:
		v.requests = append(v.requests, e.Request.URL)
	}
}

// seen is what look.js finds.
type seen struct {
	Problems []string `json:"problems"`
	Charts   int      `json:"charts"`
	Labels   int      `json:"labels"`
	Marks    int      `json:"marks"`
	Paper    string   `json:"paper"`
}

// look shows the page in a width and a theme, and looks at it.
func (v *visit) look(t *testing.T, width int64, media, theme string) seen {
	t.Helper()
	err := chromedp.Do(v, chromedp.EmulateViewport(width, 900))
	if err == nil {
		_, err = chromedp.Call(v, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}},
		})
	}
	if err != nil {
		t.Fatalf("show at %d px, %s, %s: %v", width, media, theme, err)
	}
	return ask[seen](t, v, lookJS)
}

// ask evaluates an expression in the page.
func ask[T any](t *testing.T, v *visit, expression string) T {
	t.Helper()
	answer, err := chromedp.Run(v, chromedp.Evaluate[T](expression))
	if err != nil {
		t.Fatalf("ask the page: %v", err)
	}
	return answer
}

func TestPageInBrowser(t *testing.T) {
	for name, files := range map[string][]string{"all": {"bench.json", "rollout.json", "compare.json"}, "compare": {"compare.json"}, "rollout": {"rollout.json"}} {
		t.Run(name, func(t *testing.T) {
			v := open(t, pageOf(t, files...))
			papers := map[string]bool{}
			for _, theme := range []string{"light", "dark"} {
				for _, width := range []int64{320, 400, 799, 800, 1200} {
					s := v.look(t, width, "screen", theme)
					for _, p := range s.Problems {
						t.Errorf("%d px, %s: %s", width, theme, p)
					}
					if s.Charts == 0 || s.Labels < 10*s.Charts/2 || s.Marks < s.Charts {
						t.Errorf("%d px, %s: %d charts with %d labels and %d marks", width, theme, s.Charts, s.Labels, s.Marks)
					}
					papers[s.Paper] = true
				}
			}
			if len(papers) != 2 {
				t.Errorf("light and dark have papers %v", papers)
			}
		})
	}
}

// a4 is the width and height of an A4 page without the report's margins of 15 mm, in CSS pixels.
const (
	a4Width  = 680    // 180 mm
	a4Height = 1009.0 // 267 mm
)

func TestPrint(t *testing.T) {
	v := open(t, pageOf(t, "bench.json", "rollout.json"))
	if s := v.look(t, a4Width, "print", "dark"); s.Paper != "rgb(255, 255, 255)" || len(s.Problems) > 0 {
		t.Errorf("in print the paper is %s; %s", s.Paper, strings.Join(s.Problems, "; "))
	}
	heights := ask[[]float64](t, v, `[...document.querySelectorAll("figure")].map(f => f.getBoundingClientRect().height)`)
	hidden := ask[int](t, v, `[...document.querySelectorAll("nav, details.behind")].filter(e => e.getBoundingClientRect().height > 0).length`)
	tables := ask[int](t, v, `[...document.querySelectorAll("#figures table")].filter(e => e.checkVisibility({contentVisibilityAuto: true}) && e.getBoundingClientRect().height > 0).length`)
	if len(heights) < 9 || slices.Max(heights) > a4Height {
		t.Errorf("figures are %v px high, and a page %v", heights, a4Height)
	}
	if hidden != 0 || tables < 10 {
		t.Errorf("%d of what is only for screens is printed; %d tables of figures are", hidden, tables)
	}
	pdf, err := chromedp.Run(v, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err != nil || !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Errorf("print: %v, %.8q", err, pdf)
	}
}
