package daemon

import (
	"path/filepath"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/state"
)

// Settings that differ are told as people write them, each on its own.
func TestDifference(t *testing.T) {
	was := Settings{Store: "/a", SharedPool: 4}
	is := Settings{Store: "/b", SharedPool: 4, Quotas: lambda.Quotas{Idle: 10 * time.Second, Concurrency: 5}, Model: lambda.Model{AWS: true, Scale: 1}}
	const want = "model.AWS false → true, model.Scale 0 → 1, quotas.concurrency none → 5, quotas.idle none → 10s, store /a → /b"
	if got, fixed := is.Difference(was); got != want || fixed {
		t.Errorf("%q, want %q", got, want)
	}
	if got := changes(resourceSpec{}, resourceSpec{Interval: 2 * time.Second}); got != "interval none → 2s" {
		t.Errorf("%q", got)
	}
}

func TestRegionOfALab(t *testing.T) {
	for name, c := range map[string]struct{ kept, asked, want string }{
		"new":                        {"", "", DefaultRegion},
		"new, with a Region":         {"", "eu-central-1", "eu-central-1"},
		"of a former version":        {"lab-1", "", "lab-1"},
		"again, with the Region":     {"eu-central-1", "eu-central-1", "eu-central-1"},
		"again, with another Region": {"lab-1", "us-east-1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := state.Open(filepath.Join(t.TempDir(), "db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if c.kept != "" {
				if err := state.TableOf[Settings](db, "settings").Put("lab", Settings{Region: c.kept}); err != nil {
					t.Fatal(err)
				}
			}
			d := &Daemon{Config: Config{Name: "x", Settings: &Settings{Region: c.asked}}, db: db}
			switch err := d.loadSettings(); {
			case c.want == "" && err == nil:
				t.Error("the Region was changed")
			case c.want != "" && (err != nil || d.settings.Region != c.want):
				t.Errorf("%q, %v; want %q", d.settings.Region, err, c.want)
			}
		})
	}
}
