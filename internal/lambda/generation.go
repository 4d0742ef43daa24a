package lambda

import (
	"errors"
	"sync"

	"enilab/sandbox"
)

// generation is what environments of a version are made from: code, settings and network. It does not change; an update
// makes a new one, and the old one serves until then: make before break. Its network and code are released with its last
// user: the version itself, or an environment.
type generation struct {
	service *Service
	version *version
	config  FunctionConfiguration
	code    *archive
	layers  sandbox.Layers
	network network

	interpreter sync.Once // looked at before the first environment
	refused     error     // what is wrong with it

	mu    sync.Mutex // guards users
	users int
}

// newGeneration is held for its version. It holds the code and the layers, and takes the network over; if a layer is gone, it
// releases that.
func (s *Service) newGeneration(v *version, c change, n network) (*generation, error) {
	layers, err := s.layers.hold(c.config.Layers, s.uploads)
	if err != nil {
		return nil, errors.Join(err, n.release())
	}
	c.code.hold().source.run(c.code.Code)
	return &generation{version: v, config: c.config, code: c.code, layers: layers, network: n, service: s, users: 1}, nil
}

// checkInterpreter says what is wrong with the interpreter of the code's program. It looks once.
func (g *generation) checkInterpreter(start *sandbox.Config) error {
	g.interpreter.Do(func() { g.refused = sandbox.CheckInterpreter(start.Command, start.Code, start.Layers) })
	return g.refused
}

func (g *generation) hold() {
	g.mu.Lock()
	g.users++
	g.mu.Unlock()
}

// drop gives one use back; with the last one the network and the code go. A nil *generation has none.
func (g *generation) drop() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	g.users--
	last := g.users == 0
	g.mu.Unlock()
	if !last {
		return nil
	}
	return errors.Join(g.network.release(), g.code.source.rest(g.code.Code), g.code.drop(), g.service.dropLayers(g.config.Layers, g.layers))
}
