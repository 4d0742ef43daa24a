package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// grace is how much longer than asked traffic may take before it counts as failed.
const grace = 10 * time.Second

// link is one TCP connection of a path, both ends of it. Its sockets stay in the namespaces that they were made in,
// whoever uses them.
type link struct{ client, server *net.TCPConn }

func (l link) close() error { return errors.Join(l.client.Close(), l.server.Close()) }

// open makes one, to a port that nobody listens at. Whatever waits at either of its ends fails at the time given.
func (p path) open(ctx context.Context, port uint16, by time.Time) (l link, err error) {
	at := netip.AddrPortFrom(p.address, port)
	listener, err := p.server.NS.Listen(at)
	if err != nil {
		return l, err
	}
	defer listener.Close() //nolint:errcheck // it has done its work, or failed to
	tcp := listener.(*net.TCPListener)
	err = p.client.NS.Do(func() error {
		c, err := (&net.Dialer{Deadline: by}).DialContext(ctx, "tcp4", at.String())
		if err == nil {
			l.client = c.(*net.TCPConn)
		}
		return err
	})
	if err != nil {
		return l, err
	}
	if err = tcp.SetDeadline(by); err == nil {
		l.server, err = tcp.AcceptTCP()
	}
	if err == nil {
		err = errors.Join(l.client.SetDeadline(by), l.server.SetDeadline(by))
	}
	if err != nil {
		err = errors.Join(err, l.client.Close())
		if l.server != nil {
			err = errors.Join(err, l.server.Close())
		}
		return link{}, err
	}
	return l, nil
}

// period of what streams carry: the byte at offset n is n modulo a prime, which fits no buffer's or packet's size.
const period = 251

func patternAt(offset int64) byte { return byte(offset % period) }

// stream sends over so many connections at once for a while, and returns how many Mbit/s arrived until the last byte had.
// Every byte that was sent must have arrived; of each read, the first and the last are looked at.
func stream(ctx context.Context, p path, connections int, reverse bool, while time.Duration) (mbits float64, err error) {
	by := time.Now().Add(while + grace)
	links := make([]link, 0, connections)
	defer func() {
		for _, l := range links {
			err = errors.Join(err, l.close())
		}
	}()
	for i := range connections {
		l, err := p.open(ctx, firstPort+uint16(i), by)
		if err != nil {
			return 0, err
		}
		links = append(links, l)
	}
	sent, received := make([]int64, connections), make([]int64, connections)
	sendErrs, receiveErrs := make([]error, connections), make([]error, connections)
	var ends sync.WaitGroup
	began := time.Now()
	for i, l := range links {
		from, to := l.client, l.server
		if reverse {
			from, to = to, from
		}
		ends.Go(func() { sent[i], sendErrs[i] = send(ctx, from, began.Add(while)) })
		ends.Go(func() { received[i], receiveErrs[i] = receive(to) })
	}
	ends.Wait()
	took := time.Since(began)
	if err := errors.Join(errors.Join(sendErrs...), errors.Join(receiveErrs...)); err != nil {
		return 0, err
	}
	var sum int64
	for i := range links {
		if sent[i] != received[i] {
			return 0, fmt.Errorf("of %d bytes sent %d arrived", sent[i], received[i])
		}
		sum += received[i]
	}
	return float64(sum) * 8 / 1e6 / took.Seconds(), nil
}

// send writes the pattern until the time is over, and closes its half.
func send(ctx context.Context, to *net.TCPConn, until time.Time) (sent int64, err error) {
	b := make([]byte, 1024*period)
	for i := range b {
		b[i] = patternAt(int64(i))
	}
	for time.Now().Before(until) && ctx.Err() == nil {
		n, err := to.Write(b)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, to.CloseWrite()
}

func receive(from *net.TCPConn) (received int64, err error) {
	b := make([]byte, 1<<20)
	for {
		n, err := from.Read(b)
		if n > 0 && (b[0] != patternAt(received) || b[n-1] != patternAt(received+int64(n)-1)) {
			return received, fmt.Errorf("other bytes than were sent arrive after %d", received)
		}
		received += int64(n)
		if errors.Is(err, io.EOF) {
			return received, nil
		}
		if err != nil {
			return received, err
		}
	}
}

// roundTrips sends one byte there and back so many times over one connection, and returns what each took. Either end is a
// thread that waits in the kernel, so that the time is the path's and the wake-ups', and not a scheduler's in this process.
// One more trip, the first, is not counted.
func roundTrips(ctx context.Context, p path, n int) (took []time.Duration, err error) {
	l, err := p.open(ctx, firstPort, time.Now().Add(grace))
	if err != nil {
		return nil, err
	}
	client, err := blocking(l.client)
	if err != nil {
		return nil, errors.Join(err, l.server.Close())
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	server, err := blocking(l.server)
	if err != nil {
		return nil, err
	}
	echoed := make(chan error, 1)
	go func() { echoed <- errors.Join(echo(server), server.Close()) }()
	there, back := make([]byte, 1), make([]byte, 1)
	for i := 0; i <= n && err == nil && ctx.Err() == nil; i++ {
		there[0] = patternAt(int64(i))
		began := time.Now()
		if _, err = client.Write(there); err == nil {
			_, err = io.ReadFull(client, back)
		}
		switch {
		case err == nil && back[0] != there[0]:
			err = fmt.Errorf("round trip %d: byte %d came back as %d", i, there[0], back[0])
		case err == nil && i > 0:
			took = append(took, time.Since(began))
		}
	}
	err = errors.Join(err, os.NewSyscallError("shutdown", syscall.Shutdown(int(client.Fd()), syscall.SHUT_WR)))
	return took, errors.Join(err, <-echoed)
}

// blocking takes a connection over as a file whose reads and writes block their thread, for no longer than the grace.
func blocking(c *net.TCPConn) (*os.File, error) {
	f, err := c.File() // blocks, unlike the connection
	if err = errors.Join(err, c.Close()); err != nil {
		return nil, err
	}
	limit := syscall.NsecToTimeval(grace.Nanoseconds())
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		if err := syscall.SetsockoptTimeval(int(f.Fd()), syscall.SOL_SOCKET, option, &limit); err != nil {
			return nil, errors.Join(os.NewSyscallError("setsockopt", err), f.Close())
		}
	}
	return f, nil
}

// echo answers byte by byte until the other end has no more.
func echo(c io.ReadWriter) error {
	for b := make([]byte, 1); ; {
		if _, err := c.Read(b); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := c.Write(b); err != nil {
			return err
		}
	}
}
