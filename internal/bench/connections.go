package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"enilab/netlab"
)

// connectors are how many clients open connections at once.
const connectors = 16

// accept serves TCP on as many ports of a node as there are clients, and hangs up on everybody. One port would not do: an
// ENI has 64,512 ports for each target, and a connection keeps its own for ten seconds after its end.
func accept(n *netlab.Node, at netip.Addr) (ports []netip.AddrPort, stop func() error, err error) {
	var listeners []net.Listener
	var all sync.WaitGroup
	stop = func() (err error) {
		for _, l := range listeners {
			err = errors.Join(err, l.Close())
		}
		all.Wait()
		return err
	}
	for i := range connectors {
		port := netip.AddrPortFrom(at, uint16(9000+i))
		l, err := n.NS.Listen(port)
		if err != nil {
			return nil, nil, errors.Join(err, stop())
		}
		listeners, ports = append(listeners, l), append(ports, port)
		all.Go(func() {
			for {
				c, err := l.Accept()
				if errors.Is(err, net.ErrClosed) {
					return
				}
				if err == nil {
					c.Close() //nolint:errcheck // the other side has hung up, or will
				}
			}
		})
	}
	return ports, stop, nil
}

// connect opens connections for a while, each client one after the other, and returns how many a second came about. They
// end by a reset, which leaves nothing to wait for at either end. One that does not come about is an error.
func connect(ctx context.Context, from *netlab.Node, to []netip.AddrPort, while time.Duration) (rate float64, err error) {
	counts, errs := make([]int, len(to)), make([]error, len(to))
	began := time.Now()
	var clients sync.WaitGroup
	for i, target := range to {
		clients.Go(func() {
			errs[i] = from.NS.Do(func() error {
				for ; time.Since(began) < while && ctx.Err() == nil; counts[i]++ {
					if err := dialAndReset(target); err != nil {
						return fmt.Errorf("connect to %s: %w", target, err)
					}
				}
				return nil
			})
		})
	}
	clients.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / time.Since(began).Seconds(), errors.Join(errs...)
}

// dialAndReset uses a blocking socket: its thread is in the namespace and does nothing else.
func dialAndReset(to netip.AddrPort) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	err = errors.Join(
		syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}),
		syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_SNDTIMEO, &syscall.Timeval{Sec: 2}),
	)
	if err == nil {
		err = syscall.EINTR
	}
	for errors.Is(err, syscall.EINTR) { // again is to wait on
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	return errors.Join(err, syscall.Close(fd))
}
