package wire

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Caller is who is at the other end of a connection, as far as the listener knows, who finds out once for each connection
// and before a byte of a request counts. What a request says of itself is checked against it. The zero Caller must sign
// with a key, and has none.
type Caller struct {
	Access Access

	// Client is who it is to the server's limits: what its requests take counts together with those of all that are called alike.
	Client string

	// Secret knows the secrets of the access keys that are good on this connection; those of temporary ones are only with
	// their session token. Nil means that there are none.
	Secret func(accessKey, token string) (secret string, ok bool)
}

// Access is what a caller has to show.
type Access int

// The kinds of access.
const (
	Keyed  Access = iota // a signature by one of the caller's keys
	Signed               // the form of a signature, whatever the credentials: no page in a browser can send that
	Free                 // nothing: who reaches the listener may
)

// secret is the one of an access key.
func (c Caller) secret(accessKey, token string) (string, bool) {
	if c.Secret == nil {
		return "", false
	}
	return c.Secret(accessKey, token)
}

type (
	callerKey   struct{} // a func() Caller
	identifyKey struct{} // a func(net.Conn) Caller
)

// As hands the requests to a server that come by another way than Serve, as a caller's.
func As(c Caller, s *Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, func() Caller { return c })))
	})
}

func callerOf(ctx context.Context) Caller {
	if caller, ok := ctx.Value(callerKey{}).(func() Caller); ok {
		return caller()
	}
	return Caller{}
}

// identified is a listener that knows its callers.
type identified struct {
	net.Listener
	caller func(net.Conn) Caller
}

func baseContext(l net.Listener) context.Context {
	return context.WithValue(context.Background(), identifyKey{}, l.(identified).caller)
}

// connContext has a connection's caller found out by its first request, and not by who accepts connections.
func connContext(ctx context.Context, c net.Conn) context.Context {
	identify, _ := ctx.Value(identifyKey{}).(func(net.Conn) Caller)
	return context.WithValue(ctx, callerKey{}, sync.OnceValue(func() Caller { return identify(c) }))
}
