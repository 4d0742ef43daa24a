package report

import "enilab/internal/bench"

// Section is a part of the page: pictures about one question, or how to come by them.
type Section struct {
	ID, Title string
	Pictures  []Picture
	Missing   []string // what is not there, and what makes it
}

// Commands that make the files of figures.
const (
	benchCommand   = "enilab bench --format json > bench.json"
	rolloutCommand = "enilab rollout --format json > rollout.json"
)

// Pictures are all that the data has figures for.
func (d *Data) Pictures() (all []Picture) {
	for _, s := range d.Sections() {
		all = append(all, s.Pictures...)
	}
	return all
}

// Sections are all parts of the page in order.
func (d *Data) Sections() []Section {
	f := d.figures()
	var s sections
	s.begin("waterfall", "Where the time goes")
	starts, medians := d.starts()
	if len(starts) > 0 {
		s.add(waterfall(starts, medians), true)
	} else {
		s.miss(d, "idle", benchCommand)
	}

	s.begin("distribution", "Not only the average")
	attach, okAttach := distribution(f, "idle", "attach", "Attach: connecting an environment to the VPC")
	total, okTotal := distribution(f, "idle", "total", "The whole cold start, from the request to the answer")
	s.add(attach, okAttach)
	s.add(total, okTotal)
	if !okAttach && !okTotal {
		s.miss(d, "idle", benchCommand)
	}

	s.begin("burst", "Many at once")
	bursts := d.bursts()
	for _, n := range burstSizes(bursts) {
		s.add(gantt(bursts, n), true)
	}
	sizes, okSizes := crowd(f)
	s.add(sizes, okSizes)
	if len(burstSizes(bursts)) == 0 {
		s.miss(d, "burst", benchCommand)
	}

	s.one(d, "addresses", "What it takes of the subnet", "concurrency", addresses)
	s.begin("drop", "The drop")
	p, ok := drop(d.rollout)
	s.add(p, ok)
	if !ok {
		s.miss(nil, "", rolloutCommand)
	}
	s.one(d, "languages", "Network or runtime?", "language", languages)
	s.one(d, "growth", "As it grows", "growth-slots", growth)
	s.one(d, "datapath", "Once connected", "datapath", datapath)
	s.one(d, "limits", "Beside the bare kernel", "floor", limits)
	return s.all
}

func (d *Data) bursts() []bench.Burst {
	if d.bench == nil {
		return nil
	}
	return d.bench.Bursts
}

// sections are collected one after the other.
type sections struct{ all []Section }

func (s *sections) begin(id, title string) { s.all = append(s.all, Section{ID: id, Title: title}) }

func (s *sections) last() *Section { return &s.all[len(s.all)-1] }

func (s *sections) add(p Picture, ok bool) {
	if ok {
		s.last().Pictures = append(s.last().Pictures, p)
	}
}

// miss says why a section is empty: the scenario was skipped, or what has its figures was not given.
func (s *sections) miss(d *Data, scenario, command string) {
	if d != nil && d.bench != nil {
		for _, x := range d.bench.Skipped {
			if x.Scenario == scenario {
				s.last().Missing = append(s.last().Missing, "Not measured: "+withVariant(x)+".")
			}
		}
	}
	if len(s.last().Missing) == 0 {
		s.last().Missing = []string{"No figures were given for this. They come from:", command}
	}
}

func withVariant(x bench.Skipped) string {
	if x.Variant != "" {
		return x.Variant + ": " + x.Reason
	}
	return x.Reason
}

// one begins a section of one picture that figures make.
func (s *sections) one(d *Data, id, title, scenario string, picture func(figures) (Picture, bool)) {
	s.begin(id, title)
	p, ok := picture(d.figures())
	s.add(p, ok)
	if !ok {
		s.miss(d, scenario, benchCommand)
	}
}
