package report

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"enilab/internal/bench"
)

func TestAddRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"empty":            {"", "is empty"},
		"blank":            {" \n\t", "is empty"},
		"no JSON":          {"scenario,figure\n", "is not JSON"},
		"cut off":          {`{"schema":"enilab.bench/v1","figures":[`, "is not JSON"},
		"two documents":    {`{"schema":"enilab.bench/v1"}{}`, "is not JSON"},
		"a list":           {`[]`, "is not JSON"},
		"no schema":        {`{}`, "names no schema"},
		"another's":        {`{"schema":"k6.summary/v1"}`, "is none of enilab.bench/v1, enilab.rollout/v1, enilab.compare/v1"},
		"a newer":          {`{"schema":"enilab.bench/v2"}`, `this enilab reads "enilab.bench/v1"`},
		"another type":     {`{"schema":"enilab.bench/v1","figures":7}`, "not what its schema promises"},
		"an empty bench":   {`{"schema":"enilab.bench/v1"}`, "there is no figure in it"},
		"an empty rollout": {`{"schema":"enilab.rollout/v1","rate":50}`, "there is no figure in it"},
		"an empty compare": {`{"schema":"enilab.compare/v1","variants":[]}`, "there is no figure in it"},
		"negative":         {`{"schema":"enilab.bench/v1","figures":[{"scenario":"idle","name":"attach","p50":-1}]}`, `figure "attach" of scenario "idle" is -1`},
		"endless":          {`{"schema":"enilab.bench/v1","figures":[{"values":[1e300]}]}`, "1e+300"},
		"beyond a number":  {`{"schema":"enilab.bench/v1","figures":[{"p50":1e999}]}`, "not what its schema promises"},
		"a span":           {`{"schema":"enilab.bench/v1","starts":[{"variant":"shared","spans":[{"name":"attach","took_us":-5}]}]}`, "attach"},
		"a step":           {`{"schema":"enilab.bench/v1","starts":[{"variant":"shared","spans":[{"steps":[{"name":"move","start_us":-5}]}]}]}`, "move"},
		"a burst":          {`{"schema":"enilab.bench/v1","bursts":[{"variant":"shared","environments":[{"began_us":-5}]}]}`, "environment 0"},
		"an invocation":    {`{"schema":"enilab.rollout/v1","invocations":[{"took_us":-5}]}`, "invocation 0"},
		"a rollout's":      {`{"schema":"enilab.rollout/v1","steps":[{"enis":-5}]}`, "step 0"},
		"compare's":        {`{"schema":"enilab.compare/v1","variants":[{"name":"shared","phases":[{"name":"attach","p99_us":-5}]}]}`, `a figure of "shared"`},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(Data)
			err := d.Add("figures.json", []byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "figures.json") || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v; want one line that names the file and says %q", err, c.says)
			}
			if len(d.sources) != 0 {
				t.Error("the file is among those shown")
			}
		})
	}
}

func TestAddLimitsSize(t *testing.T) {
	if err := new(Data).Add("huge.json", make([]byte, MaxFile+1)); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("got %v", err)
	}
}

// TestNewestIsShown gives benches in every order.
func TestNewestIsShown(t *testing.T) {
	at := func(day int) *bench.Report {
		r := newMaker(uint64(day)).bench(3)
		r.Began = time.Date(2030, 1, day, 0, 0, 0, 0, time.UTC)
		return r
	}
	old, middle, newest := at(1), at(2), at(3)
	for _, order := range [][]*bench.Report{{old, middle, newest}, {newest, middle, old}, {middle, newest, old}, {middle, old, newest}} {
		d := new(Data)
		for _, r := range order {
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Add(r.Began.Format("2006-01-02")+".json", text); err != nil {
				t.Fatal(err)
			}
		}
		if !d.bench.Began.Equal(newest.Began) || !d.before.Began.Equal(middle.Began) {
			t.Errorf("shows %v, compared with %v", d.bench.Began, d.before.Began)
		}
		roles := map[string]string{}
		for _, s := range d.Sources() {
			roles[s.Name] = s.Role
		}
		if roles["2030-01-03.json"] != "shown" || roles["2030-01-02.json"] != "compared with" || !strings.Contains(roles["2030-01-01.json"], "not shown") {
			t.Errorf("roles: %v", roles)
		}
		now, _ := figures(newest.Figures).find("idle", "attach", "shared", 0)
		was, _ := figures(middle.Figures).find("idle", "attach", "shared", 0)
		if row := d.figureRow(now); row[11].figure != was.P50 || row[12].figure != now.P50/was.P50 {
			t.Errorf("row %+v: want %v before, and %v", row, was.P50, now.P50/was.P50)
		}
	}
}

// TestSameFileTwice is told apart, though both have one date.
func TestSameFileTwice(t *testing.T) {
	d := dataOf(t, newMaker(1).bench(3), newMaker(1).bench(3))
	if s := d.Sources(); s[0].Role != "shown" || s[1].Role == "shown" {
		t.Errorf("roles %q and %q", s[0].Role, s[1].Role)
	}
}
