package lambda

import (
	"maps"
	"slices"
)

// appendix is what a function has besides its versions. It is replaced as a whole and never changed, so that who has read
// it need not hold a lock.
type appendix struct {
	Aliases      map[string]Alias             `json:"aliases,omitempty"`      // by name
	Policies     map[string]Policy            `json:"policies,omitempty"`     // by qualifier; empty: of the function
	EventConfigs map[string]EventInvokeConfig `json:"eventConfigs,omitempty"` // by qualifier; "$LATEST" for the function
}

func (a appendix) clone() appendix {
	a.Aliases, a.Policies, a.EventConfigs = maps.Clone(a.Aliases), maps.Clone(a.Policies), maps.Clone(a.EventConfigs)
	for q, p := range a.Policies {
		p.Statements = slices.Clone(p.Statements)
		a.Policies[q] = p
	}
	return a
}

// forget drops what belonged to a qualifier that is gone.
func (a appendix) forget(qualifier string) appendix {
	a = a.clone()
	delete(a.Policies, qualifier)
	delete(a.EventConfigs, qualifier)
	return a
}

// put sets a value in a map that may be nil.
func put[V any](m *map[string]V, key string, v V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// append replaces a function's appendix by a copy that edit has changed.
func (s *Service) append(function string, edit func(*function, *appendix) error) error {
	done, err := s.control()
	if err != nil {
		return err
	}
	defer done()
	f, err := s.lookup(function)
	if err != nil {
		return err
	}
	f.plane.Lock()
	defer f.plane.Unlock()
	f.mu.Lock()
	before, gone := f.appendix, f.deleted
	f.mu.Unlock()
	if gone {
		return s.notFound(FunctionRef{Name: function})
	}
	next := before.clone()
	if err := edit(f, &next); err != nil {
		return err
	}
	f.setAppendix(next)
	if err := s.keep(f); err != nil {
		f.setAppendix(before)
		return err
	}
	return nil
}

func (f *function) setAppendix(a appendix) {
	f.mu.Lock()
	f.appendix = a
	f.mu.Unlock()
}

// appendixOf reads a function's appendix.
func (s *Service) appendixOf(function string) (appendix, error) {
	f, err := s.lookup(function)
	if err != nil {
		return appendix{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appendix, nil
}
