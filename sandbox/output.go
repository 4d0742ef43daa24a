package sandbox

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// output copies what an environment prints to a writer. A nil *output has nothing to copy.
type output struct {
	pipe *os.File

	mu     sync.Mutex // held from read to written, so that nobody finds the pipe empty while a part is under way
	to     io.Writer  // nil once a Write failed
	buffer [8 << 10]byte
}

// newOutput opens where the environment prints. Nobody reads it if to is nil.
func (p *Process) newOutput(to io.Writer) (end *os.File, err error) {
	if to == nil {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	p.output = &output{to: to}
	p.output.pipe, end, err = os.Pipe()
	return end, err
}

// copy returns when nobody can print any more, or after stop.
func (o *output) copy() {
	if o == nil {
		return
	}
	defer o.pipe.Close()
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	err = conn.Read(func(fd uintptr) bool {
		for {
			if n, err := o.part(int(fd)); n == 0 {
				return err != syscall.EAGAIN // then the poller waits for more
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.Drain()
	}
}

// stop has copy return when it has copied what is there.
func (o *output) stop() {
	if o != nil {
		_ = o.pipe.SetReadDeadline(time.Unix(1, 0)) // fails if it has returned
	}
}

// Drain returns when what has been printed so far has been written on. A runtime answers over the network and prints
// into a pipe: the answer can be here first.
func (o *output) Drain() {
	if o == nil {
		return
	}
	conn, err := o.pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { // fails when all is copied
		o.mu.Lock()
		left, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ) // FIONREAD; no more than that: it may never cease
		o.mu.Unlock()
		for err == nil && left > 0 {
			var n int
			if n, err = o.part(int(fd)); n == 0 {
				return
			}
			left -= n
		}
	})
}

// part copies some of what is there and tells how much. Nothing and no error is the end.
func (o *output) part(fd int) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		n, err = unix.Read(fd, o.buffer[:])
		if err != syscall.EINTR {
			break
		}
	}
	if n <= 0 {
		return 0, err
	}
	if o.to != nil { // what cannot be written on is read all the same: a full pipe would stop the environment
		if _, err := o.to.Write(o.buffer[:n]); err != nil {
			o.to = nil
		}
	}
	return n, nil
}
