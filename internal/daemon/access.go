package daemon

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"enilab/internal/sockdiag"
	"enilab/internal/wire"
)

// Access is who may use the AWS API.
type Access string

// The kinds of access. Any credentials are credentials that are not checked; all others must be the lab's key, or those of a
// role's session.
const (
	Owner Access = "owner" // over loopback the lab's owners with any credentials
	ByKey Access = "key"   // nobody without the lab's key
	Open  Access = "open"  // everybody with any credentials
)

// Credentials are what a request may be signed with.
type Credentials struct{ AccessKeyID, SecretAccessKey string }

// caller decides what who is at the other end of a connection to the AWS API has to show.
func (d *Daemon) caller(c net.Conn) wire.Caller {
	user, known := d.user(c)
	caller := wire.Caller{Access: wire.Keyed, Secret: d.secret, Client: client(c, user, known)}
	if d.settings.Access == Open || d.settings.Access == Owner && known && slices.Contains(d.Owners, user) {
		caller.Access = wire.Signed
	}
	return caller
}

// user asks the kernel whose a connection is. It cannot know of another machine's users, nor of those behind a proxy.
func (d *Daemon) user(c net.Conn) (uid uint32, known bool) {
	tcp, ok := c.(*net.TCPConn)
	if !ok || d.Sockets == nil || !isLoopback(c.LocalAddr()) || !isLoopback(c.RemoteAddr()) {
		return 0, false
	}
	uid, err := d.Sockets.Peer(tcp)
	if err != nil && !errors.Is(err, sockdiag.ErrNoOwner) {
		d.Log.Warn("whose connection it is cannot be told; it needs the lab's key", "client", c.RemoteAddr(), "error", err)
	}
	return uid, err == nil
}

// client is whom a connection's requests count for: a user of this machine, or another machine.
func client(c net.Conn, user uint32, known bool) string {
	if known {
		return fmt.Sprintf("user %d", user)
	}
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return c.RemoteAddr().String()
	}
	bits := 32
	if a := at.Addr().Unmap(); a.Is6() {
		bits = 64 // what one machine can have all of
	}
	network, _ := at.Addr().Unmap().WithZone("").Prefix(bits) // it has no more bits than its family
	return network.String()
}

func isLoopback(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	return err == nil && at.Addr().Unmap().IsLoopback()
}

// secret knows the lab's key and those of roles' sessions, also of such as have ended: the server says so once it has seen that they
// are theirs.
func (d *Daemon) secret(accessKey, token string) (string, bool) {
	if accessKey == d.Key.AccessKeyID && token == "" && accessKey != "" {
		return d.Key.SecretAccessKey, true
	}
	if !d.iam.Issued(accessKey, token) {
		return "", false
	}
	return d.iam.SessionSecret(accessKey)
}
