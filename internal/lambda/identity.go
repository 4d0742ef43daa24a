package lambda

import (
	"fmt"
	"net"
)

// Identity is what an environment is to AWS's API: credentials of a session of its function's execution role, and the API
// as that session may use it.
type Identity struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string

	// Serve answers the API on a listener that the environment alone can reach, until that is closed. It takes these
	// credentials and no others.
	Serve func(net.Listener) error
}

// identify gives an environment its credentials, and an endpoint at which they work, on its own loopback. A role that is gone
// has none to give: its functions run on, without.
func (s *Service) identify(e *environment) error {
	c := &e.generation.config
	if s.Identify == nil || c.Role == "" {
		return nil
	}
	identity, err := s.Identify(c.Role, c.FunctionName)
	if err != nil {
		s.Log.Warn("no credentials for an environment", "env", e.id, "role", c.Role, "error", err)
		return nil
	}
	if e.slot.Endpoint == nil {
		return fmt.Errorf("environment %s: its slot has no endpoint", e.id)
	}
	e.identity = identity
	go func() {
		if err := identity.Serve(e.slot.Endpoint); err != nil {
			s.Log.Warn("the endpoint of an environment", "env", e.id, "error", err)
		}
	}()
	return nil
}
