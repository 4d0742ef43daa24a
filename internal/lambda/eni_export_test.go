package lambda

import "context"

// AdoptENIs and DropUnusedENIs are the two halves of a restart, as far as Hyperplane ENIs go.
func (s *Service) AdoptENIs(ctx context.Context) error      { return s.adoptENIs(ctx) }
func (s *Service) DropUnusedENIs(ctx context.Context) error { return s.dropUnusedENIs(ctx) }

// LoseENIs lets go of all Hyperplane ENIs as the kernel does when the control plane is killed: what is pinned stays.
func (s *Service) LoseENIs() {
	m := s.shared
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.fleets {
		for _, e := range f.enis {
			_ = e.Node.Release()
			_ = e.Close() // its other descriptors; the node is closed already
			if e.iface != nil {
				e.iface.Forget()
			}
		}
	}
	m.fleets = map[eniKey]*fleet{}
}

// WorkersOf names the worker of each of a function's idle environments.
func (s *Service) WorkersOf(function string) (names []string) {
	f, err := s.lookup(function)
	if err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.latest.idle {
		names = append(names, e.slot.Worker.Name)
	}
	return names
}
