package wire

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Config says what a server answers for, and what a client may cost it. The zero Config is a good one.
type Config struct {
	Region  string   // of requests that are not signed; empty means "us-east-1"
	Account string   // of all requests; empty means "123456789012"
	Hosts   []string // names by which clients may call the server, besides localhost and addresses

	// Authorize says why a caller may not do what its request asks for, whose input is a pointer to the operation's. Credentials
	// that are good no more are [ErrUnknownToken] or [ErrExpiredToken]; all else is told as it is. Nil means that everything is allowed.
	Authorize func(r *Request, in any) error

	Log *slog.Logger     // nil means none
	Now func() time.Time // nil means time.Now

	MaxBody     int64         // bytes of a request in JSON, unless the operation has a limit of its own; zero means 6 MiB
	MaxForm     int64         // bytes of a request in a form; zero means 1 MiB
	MaxMemory   int64         // bytes of all requests that are being read or carried out; zero means 512 MiB. One client has at most as much as is left for others
	Memory      func() int64  // what MaxMemory is to be at the moment, if that is less; nil means that it is the same always
	MaxHeader   int           // bytes; zero means 64 KiB
	MaxConns    int           // connections; zero means 4,096, or a quarter of the files that may be open. Beyond, the one that has waited longest for a request is closed
	MaxRequests int           // being carried out; zero means 2,048. Beyond, clients are told to come back
	HeaderTime  time.Duration // for a request's header; zero means 10 s
	IdleTime    time.Duration // between requests; zero means 2 min
	Grace       time.Duration // for a body or an answer, besides a second for each 128 KiB; zero means 20 s
}

func (c Config) withDefaults() Config {
	c.Region = cmp.Or(c.Region, "us-east-1")
	c.Account = cmp.Or(c.Account, "123456789012")
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.MaxBody = cmp.Or(c.MaxBody, 6<<20)
	c.MaxForm = cmp.Or(c.MaxForm, 1<<20)
	c.MaxMemory = cmp.Or(c.MaxMemory, 512<<20)
	c.MaxHeader = cmp.Or(c.MaxHeader, 64<<10)
	c.MaxConns = cmp.Or(c.MaxConns, maxConns(openFiles()))
	c.MaxRequests = cmp.Or(c.MaxRequests, 2048)
	c.HeaderTime = cmp.Or(c.HeaderTime, 10*time.Second)
	c.IdleTime = cmp.Or(c.IdleTime, 2*time.Minute)
	c.Grace = cmp.Or(c.Grace, 20*time.Second)
	return c
}

// Server answers AWS's clients. It is an http.Handler; Serve adds the limits on connections.
type Server struct {
	config Config
	services
	memory  budget
	running atomic.Int64 // requests

	downloads *Downloads // nil means none
	http      *http.Server
}

// New makes a server; [Handle] gives it operations.
func New(c Config) *Server {
	c = c.withDefaults()
	s := &Server{config: c}
	s.memory.most, s.memory.memory = c.MaxMemory, c.Memory
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	s.http = &http.Server{
		Handler: s, Protocols: &protocols, MaxHeaderBytes: c.MaxHeader, ReadHeaderTimeout: c.HeaderTime, IdleTimeout: c.IdleTime,
		ConnState: (&doorkeeper{max: c.MaxConns}).track, BaseContext: baseContext, ConnContext: connContext,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug), // what clients do wrong below the protocols
	}
	return s
}

// Serve answers on l until Shutdown or Close; then it returns nil. Several listeners may be served at once. Caller tells, once
// for each connection, who is at its other end.
func (s *Server) Serve(l net.Listener, caller func(net.Conn) Caller) error {
	if err := s.http.Serve(identified{l, caller}); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting and waits for the requests under way, at most until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return s.http.Shutdown(ctx) }

// Close ends all connections, and with them the contexts of their handlers.
func (s *Server) Close() error { return s.http.Close() }

// ServeHTTP answers one request, of whom Serve or [As] say who makes it. It panics only to have the connection closed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.newExchange(w, r)
	defer x.end()
	x.serve()
}
