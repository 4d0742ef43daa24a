package lambda

import (
	"enilab/internal/netns"
	"enilab/sandbox"
)

// HoldENIs makes whoever asks for a Hyperplane ENI wait until release.
func (s *Service) HoldENIs() (release func()) {
	s.shared.mu.Lock()
	return s.shared.mu.Unlock
}

// Inside is what tests see of an environment that people do not.
type Inside struct {
	EnvironmentInfo
	NS    *netns.NS
	PID   int
	Log   *sandbox.LogTail
	Ended <-chan struct{}

	freezer *freezer
}

// StandsStill tells whether the environment is frozen, and the kernel has stopped all its processes.
func (i Inside) StandsStill() (bool, error) {
	i.freezer.mu.Lock()
	defer i.freezer.mu.Unlock()
	if !i.freezer.frozen {
		return false, nil
	}
	return i.freezer.process.Frozen()
}

// Idle lists a function's idle environments with their insides.
func (s *Service) Idle(function string) (list []Inside) {
	for _, info := range s.IdleEnvironments(FunctionRef{Name: function}) {
		f, err := s.lookup(function)
		if err != nil {
			return nil
		}
		f.mu.Lock()
		for _, e := range f.latest.idle {
			if e.id == info.ID {
				list = append(list, Inside{info, e.slot.NS(), e.process.Pid(), &e.log.LogTail, e.process.Done(), e.freezer})
			}
		}
		f.mu.Unlock()
	}
	return list
}

// BoundSockets has the environments end whose sockets hold most until the rest hold no more than share bytes, and names them.
func (s *Service) BoundSockets(share int64) (ended []string, err error) {
	err = s.sockets.bound(share, func(e *environment, _ int64) { ended = append(ended, e.id) })
	return ended, err
}

// Sockets is what the sockets of all environments hold, in bytes.
func (s *Service) Sockets() (sum int64, err error) {
	holders, err := s.sockets.holders()
	for _, h := range holders {
		sum += h.bytes
	}
	return sum, err
}

// HoldFunction makes whoever wants to change a function wait until release.
func (s *Service) HoldFunction(name string) (release func(), err error) {
	f, err := s.lookup(name)
	if err != nil {
		return nil, err
	}
	f.plane.Lock()
	return f.plane.Unlock, nil
}

// LayerUsers is how many generations and calls use a version of a layer.
func (s *Service) LayerUsers(arn string) int {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	return s.layers.findLocked(arn).users
}

// TidyLayers removes what tidyLayers does. Meanwhile is called when it is known what functions have, and not yet acted upon.
func (s *Service) TidyLayers(meanwhile func()) error {
	unused, named := s.layers.unused(), s.namedLayers()
	meanwhile()
	return s.removeLayers(unused, named)
}

// LoseLayer forgets all versions of a layer.
func (s *Service) LoseLayer(name string) {
	s.layers.mu.Lock()
	defer s.layers.mu.Unlock()
	delete(s.layers.byName, name)
}

// HoldStarts makes all environments that have their slot wait for their turn to start in it, until release.
func (s *Service) HoldStarts() (release func()) {
	for range cap(s.starts) {
		s.starts <- struct{}{}
	}
	return func() {
		for range cap(s.starts) {
			s.starts.leave()
		}
	}
}

// Starting are the parked processes of the slots in which a function's environments are to start, or could not.
func (s *Service) Starting(function string) (pids []int) {
	f, err := s.lookup(function)
	if err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for e := range f.environments {
		if e.state == EnvironmentStarting {
			pids = append(pids, e.slot.Launcher.Pid())
		}
	}
	return pids
}
