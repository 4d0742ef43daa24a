// Package report shows what bench, rollout and compare have measured: pictures with the figures behind them, in one page.
package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"enilab/internal/bench"
	"enilab/internal/compare"
	"enilab/internal/rollout"
)

// MaxFile is how many bytes a file of figures may have. A whole bench takes less than 2 MiB.
const MaxFile = 64 << 20

// Data is what is reported: of each kind of file the newest, and what it is compared with.
type Data struct {
	bench   *bench.Report
	before  *bench.Report // the newest of the earlier ones; nil without
	rollout *rollout.Report
	compare *compare.Report
	sources []source
}

// source is a file that was given.
type source struct {
	Name, Schema, Version string
	Began                 time.Time // zero: it does not say
	Role                  string    // "shown", "compared with", "not shown: …"
}

// Add reads one file. An error says what is wrong with it, and names it.
func (d *Data) Add(name string, text []byte) error {
	switch {
	case len(text) > MaxFile:
		return fmt.Errorf("%s is larger than %d MiB, and no file of figures is; give what --format json printed", name, MaxFile>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return fmt.Errorf("%s is empty: did the command that was to write it fail? Run it again and see what it says", name)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return fmt.Errorf("%s is not JSON (%v); give what 'enilab bench', 'rollout' or 'compare' print with --format json", name, err)
	}
	switch head.Schema {
	case bench.Schema:
		return decode(name, text, d.addBench)
	case rollout.Schema:
		return decode(name, text, d.addRollout)
	case compare.Schema:
		return decode(name, text, d.addCompare)
	}
	return fmt.Errorf("%s: %s", name, unknownSchema(head.Schema))
}

// decode reads a file as its schema says and hands it on.
func decode[R any](name string, text []byte, to func(name string, r *R) error) error {
	r := new(R)
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("%s is not what its schema promises: %w", name, err)
	}
	if err := to(name, r); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func unknownSchema(schema string) string {
	known := []string{bench.Schema, rollout.Schema, compare.Schema}
	family, _, _ := strings.Cut(schema, "/")
	for _, k := range known {
		if f, _, _ := strings.Cut(k, "/"); f == family {
			return fmt.Sprintf("its schema is %q, and this enilab reads %q; use the enilab that wrote it, or measure again", schema, k)
		}
	}
	if schema == "" {
		return "it names no schema; give what 'enilab bench', 'rollout' or 'compare' print with --format json"
	}
	return fmt.Sprintf("its schema %q is none of %s", schema, strings.Join(known, ", "))
}

func (d *Data) addBench(name string, r *bench.Report) error {
	if err := checkBench(r); err != nil {
		return err
	}
	s := source{Name: name, Schema: r.Schema, Version: r.Version, Began: r.Began}
	switch {
	case d.bench == nil || r.Began.After(d.bench.Began):
		d.before = d.bench
		d.bench = r
	case d.before == nil || r.Began.After(d.before.Began):
		d.before = r
	}
	d.sources = append(d.sources, s)
	return nil
}

func (d *Data) addRollout(name string, r *rollout.Report) error {
	if err := checkRollout(r); err != nil {
		return err
	}
	if d.rollout == nil || r.Began.After(d.rollout.Began) {
		d.rollout = r
	}
	d.sources = append(d.sources, source{Name: name, Schema: r.Schema, Version: r.Version, Began: r.Began})
	return nil
}

func (d *Data) addCompare(name string, r *compare.Report) error {
	if err := checkCompare(r); err != nil {
		return err
	}
	d.compare = r // it has no date: the last given is taken for the newest
	d.sources = append(d.sources, source{Name: name, Schema: r.Schema})
	return nil
}

// Sources are the files in the order given, with what became of each.
func (d *Data) Sources() []source {
	all := slices.Clone(d.sources)
	lastCompare := -1
	for i, s := range all {
		if s.Schema == compare.Schema {
			lastCompare = i
		}
	}
	taken := map[string]bool{}
	for i := range all {
		s := &all[i]
		s.Role = "not shown: there is a newer one"
		shown := s.Schema == bench.Schema && s.Began.Equal(d.bench.Began) ||
			s.Schema == rollout.Schema && s.Began.Equal(d.rollout.Began) || i == lastCompare
		switch {
		case shown && !taken[s.Schema]:
			s.Role, taken[s.Schema] = "shown", true
		case s.Schema == bench.Schema && d.before != nil && s.Began.Equal(d.before.Began) && !taken["before"]:
			s.Role, taken["before"] = "compared with", true
		}
	}
	return all
}

// largest is more than any figure can be, in its unit: what is beyond it is a mistake, and breaks scales.
const largest = 1e15

var errFigure = errors.New("no figure can be that")

// errNothing is a file that its schema allows and that shows nothing.
var errNothing = errors.New("there is no figure in it; measure again, and keep all that is printed with --format json")

func check(what string, values ...float64) error {
	for _, v := range values {
		if v < 0 || v > largest {
			return fmt.Errorf("%s is %g: %w", what, v, errFigure)
		}
	}
	return nil
}

func checkBench(r *bench.Report) error {
	if len(r.Figures) == 0 && len(r.Starts) == 0 && len(r.Bursts) == 0 && len(r.Skipped) == 0 {
		return errNothing
	}
	for _, f := range r.Figures {
		what := fmt.Sprintf("figure %q of scenario %q", f.Name, f.Scenario)
		if err := check(what, append([]float64{f.P50, f.P90, f.P99, f.Max, f.Ratio, float64(f.At), float64(f.N)}, f.Values...)...); err != nil {
			return err
		}
	}
	for _, s := range r.Starts {
		if err := checkSpans(fmt.Sprintf("the start of %q", s.Variant), float64(s.Total), s.Spans); err != nil {
			return err
		}
	}
	for _, b := range r.Bursts {
		for i, e := range b.Environments {
			what := fmt.Sprintf("environment %d of %q", i, b.Variant)
			if err := checkSpans(what, e.Total, e.Spans); err != nil {
				return err
			}
			if err := check(what, e.Began, float64(b.Wall), float64(b.N)); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSpans(what string, total float64, spans []bench.Span) error {
	if err := check(what, total); err != nil {
		return err
	}
	for _, s := range spans {
		if err := check(fmt.Sprintf("%s: %q", what, s.Name), s.Start, s.Took); err != nil {
			return err
		}
		if err := checkSpans(what+": "+s.Name, 0, s.Steps); err != nil {
			return err
		}
	}
	return nil
}

func checkRollout(r *rollout.Report) error {
	if len(r.Invocations) == 0 && len(r.Steps) == 0 {
		return errNothing
	}
	for i, v := range r.Invocations {
		if err := check(fmt.Sprintf("invocation %d", i), float64(v.At), float64(v.Took), float64(v.Attach)); err != nil {
			return err
		}
	}
	for i, s := range r.Steps {
		if err := check(fmt.Sprintf("step %d", i), float64(s.Began), float64(s.Done), float64(s.ENIs), float64(s.Addresses)); err != nil {
			return err
		}
	}
	return check("its rate", r.Rate)
}

func checkCompare(r *compare.Report) error {
	if len(r.Variants) == 0 {
		return errNothing
	}
	for _, v := range r.Variants {
		for _, s := range append([]compare.Stats{v.Ready, v.Total, v.Warm, v.Burst.Attach, v.Burst.Total}, phaseStats(v)...) {
			if err := check(fmt.Sprintf("a figure of %q", v.Name), s.P50, s.P90, s.P99, s.Max); err != nil {
				return err
			}
		}
		if err := check(fmt.Sprintf("a count of %q", v.Name), float64(v.ENIs), float64(v.SubnetAddresses), float64(v.Burst.N), float64(v.Burst.WallUS)); err != nil {
			return err
		}
	}
	return nil
}

func phaseStats(v compare.Variant) (all []compare.Stats) {
	for _, p := range v.Phases {
		all = append(all, p.Stats)
	}
	return all
}
