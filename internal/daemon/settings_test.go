package daemon

import (
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/state"
	"enilab/netlab"
)

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

// What differs is said as topologies and flags give it.
func TestSettingsThatDifferAreSaidAsTheyAreWritten(t *testing.T) {
	has := Settings{SharedPool: 8, Quotas: lambda.Quotas{Idle: 90 * time.Second}}
	is := Settings{
		SharedPool: 3, Model: lambda.Model{AWS: true, Scale: 10}, Hosts: []string{"lab"},
		Quotas: lambda.Quotas{Idle: 10 * time.Minute, KeepInterfaces: time.Hour, EC2CallsPerSecond: -1},
	}
	const want = `host none → ["lab"], model none → aws, pool.shared 8 → 3, quotas.ec2CallsPerSecond none → -1, ` +
		`quotas.idle 1m30s → 10m, quotas.keepInterfaces none → 1h, timeScale 1 → 10`
	if got, fixed := is.Difference(has); got != want || fixed {
		t.Errorf("%s, %v\nwant %s", got, fixed, want)
	}
	every := func(d time.Duration) resourceSpec {
		return declareResource("vpc-a", netlab.ResourceSpec{Interval: d}, nil)
	}
	if got := changes(every(0), every(2*time.Second)); got != "interval none → 2s" {
		t.Errorf("%q", got)
	}
}

// No setting is forgotten: each can differ.
func TestEverySettingCanDiffer(t *testing.T) {
	var differ func(path string, change func(*Settings) reflect.Value)
	differ = func(path string, change func(*Settings) reflect.Value) {
		var s Settings
		v := change(&s)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				differ(path+"."+v.Type().Field(i).Name, func(s *Settings) reflect.Value { return change(s).Field(i) })
			}
			return
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int64:
			v.SetInt(7)
		case reflect.Float64:
			v.SetFloat(7)
		case reflect.String:
			v.SetString("other")
		case reflect.Slice:
			v.Set(reflect.ValueOf([]string{"other"}))
		default:
			return // VerifySignatures, which nobody sets any more
		}
		if difference, _ := s.Difference(Settings{}); difference == "" {
			t.Errorf("%s can be another, and nobody notices", path)
		}
	}
	differ("", func(s *Settings) reflect.Value { return reflect.ValueOf(s).Elem() })
}
