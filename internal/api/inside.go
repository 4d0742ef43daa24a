package api

import (
	"errors"
	"net"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/wire"

	"golang.org/x/net/netutil"
)

// Inside is the API as functions find it: each environment at an endpoint of its own, with the credentials of its function's
// role, and with what the policies of that role allow.
type Inside struct {
	config Config
	server *wire.Server
}

// What environments may cost together. They have a server of their own, so that they take nothing from those outside.
const (
	insideMemory   = 256 << 20 // bytes of requests; a function has at most as much as is left for others
	insideRequests = 512       // under way
	insideConns    = 2048
)

// connsPerEnvironment is how many connections an environment has at once; more wait in the kernel's backlog. Clients keep a
// few.
const connsPerEnvironment = 16

// credentialsLast is longer than any environment: it keeps those that it began with.
const credentialsLast = 30 * 24 * time.Hour

// NewInside makes a server for environments. Close ends it.
func NewInside(c Config) *Inside {
	memory := c.Memory
	if memory != nil {
		memory = func() int64 { return c.Memory() / 2 }
	}
	s := wire.New(wire.Config{
		Region: c.Region, Account: c.Account, Log: c.Log, MaxMemory: insideMemory, Memory: memory, MaxRequests: insideRequests, MaxConns: insideConns,
		Authorize: c.authorize,
	})
	register(s, c)
	return &Inside{c, s}
}

// Close ends all connections.
func (i *Inside) Close() error { return i.server.Close() }

// Identify makes credentials of a session of a role, named as Lambda names it, and the endpoint that takes them and no others:
// another environment's are unknown there.
func (i *Inside) Identify(role, function string) (lambda.Identity, error) {
	c, err := i.config.IAM.IssueCredentials(role, function, credentialsLast)
	if err != nil {
		return lambda.Identity{}, err
	}
	caller := wire.Caller{
		Access: wire.Keyed, Client: function, // all its environments are one
		Secret: func(accessKey, token string) (string, bool) {
			if accessKey != c.AccessKeyID {
				return "", false
			}
			_, err := i.config.IAM.SessionOf(accessKey, token) // the role may have gone
			return c.SecretAccessKey, err == nil
		},
	}
	return lambda.Identity{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Serve: func(l net.Listener) error {
			err := i.server.Serve(netutil.LimitListener(l, connsPerEnvironment), func(net.Conn) wire.Caller { return caller })
			if errors.Is(err, net.ErrClosed) { // the environment has ended
				return nil
			}
			return err
		},
	}, nil
}
