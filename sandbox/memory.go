package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel charges the files of a tmpfs to the control group of who writes them, and cannot be told to charge another. A
// function's memory and its /tmp are two quantities, though. So the group may have both together (Limits.Memory and
// Limits.Tmp), the kernel tells the lab when the group passes the mark from which the function may have more than its
// memory, and the lab looks what it is that has grown: files in /tmp move the mark, memory beyond the limit ends the
// environment. Where /tmp is not used the mark is the limit.

// markStep is how far a mark is moved at least. So much more than its memory a function may have that has filled it and writes
// to /tmp.
const markStep = 4 << 20

// A mark that was moved is looked at from time to time, less and less often while nothing changes: the kernel does not tell of
// files that are deleted, and with them the mark moves back.
const (
	firstLook = 250 * time.Millisecond
	lastLook  = 16 * time.Second
)

// One look cannot end an environment: its numbers are not of one moment. Between them the kernel may drop cached files, as it
// does in a group of version 2 that is past its mark, and the numbers of version 2's memory.stat may lag behind. So the lab
// looks again after a pause, until two looks in a row agree: both find too much, and cached files have not become less
// meanwhile. After a second it ends the environment all the same.
const (
	againAfter = 20 * time.Millisecond
	maxAgain   = 50
)

// maxBlind is how many looks in a row may fail before there is nobody who holds the environment to its memory: for want of
// descriptors, say, of which there may be some in a moment.
const maxBlind = 20

// watchMemory holds the environment to so many bytes of memory, in a group that may have more, until its end. It kills
// what has more. It fails if it cannot look for long.
func (p *Process) watchMemory(ctx context.Context, limit int64) error {
	w := memoryWatch{mark: p.cgroup.memoryMark(), look: p.memory, limit: limit}
	defer w.mark.Close()
	if err := w.untilExceeded(ctx); err != nil {
		return err
	}
	p.overMemory.Store(true)
	return p.Kill()
}

// memoryWatch tells when a group has more memory of its own than it may.
type memoryWatch struct {
	mark  *memoryMark
	look  func() (memoryUse, error)
	limit int64 // bytes
}

// untilExceeded returns nil as soon as the limit is exceeded, or ctx's error.
func (w *memoryWatch) untilExceeded(ctx context.Context) error {
	w.mark.set(w.limit)
	var last memoryUse
	var pause time.Duration
	for passed, blind := false, 0; ; {
		if !passed {
			if err := w.mark.wait(ctx, pause); err != nil {
				return err
			}
		}
		used, err := w.lookTwice(ctx)
		if err == nil && used.own() > w.limit {
			return nil
		}
		var now memoryUse
		var next int64
		if err == nil {
			next = w.limit + used.cache + used.tmp
			if used.tmp > 0 {
				next = max(next, used.total+markStep)
			}
			w.mark.set(next)
			now, err = w.look()
		}
		if err != nil {
			if blind++; blind == maxBlind {
				return err
			}
			if err := sleep(ctx, firstLook); err != nil {
				return err
			}
			passed = true // perhaps
			continue
		}
		blind = 0
		passed = now.total >= next && w.mark.refused == nil // before it was set
		switch {
		case next == w.limit:
			pause = 0 // no need to
		case used == last:
			pause = min(2*pause, lastLook)
		default:
			pause = firstLook
		}
		last = used
	}
}

// lookTwice looks, and looks again as long as what is found would end the environment and is not certain.
func (w *memoryWatch) lookTwice(ctx context.Context) (memoryUse, error) {
	used, err := w.look()
	for range maxAgain {
		if err != nil || used.own() <= w.limit {
			break
		}
		if err := sleep(ctx, againAfter); err != nil {
			return used, err
		}
		before := used
		if used, err = w.look(); err == nil && used.cache >= before.cache {
			break
		}
	}
	return used, err
}

// sleep returns after so much time, or, if ctx ends first, its cause.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// memoryUse is what a control group has in use, in bytes.
type memoryUse struct {
	total int64
	cache int64 // of it: copies of files that the kernel can drop
	tmp   int64 // of it: files in /tmp
}

// own is the function's memory.
func (u memoryUse) own() int64 { return u.total - u.cache - u.tmp }

func (p *Process) memory() (u memoryUse, err error) {
	if u, err = p.cgroup.memory(); err == nil {
		u.tmp, err = p.tmpUse()
	}
	return u, err
}

// tmpUse is what the environment has in /tmp, in bytes. Of one that has ended it is what was found there last.
func (p *Process) tmpUse() (int64, error) {
	if p.life.Err() != nil {
		return p.tmpUsed.Load(), nil // its id may be another's by now
	}
	var st unix.Statfs_t
	err := unix.Statfs(fmt.Sprintf("/proc/%d/root/tmp", p.pid), &st)
	switch err {
	case nil:
		used := int64(st.Blocks-st.Bfree) * st.Bsize
		p.tmpUsed.Store(used)
		return used, nil
	case unix.ENOENT, unix.ESRCH:
		return p.tmpUsed.Load(), nil
	}
	return 0, fmt.Errorf("look into /tmp of process %d: %w", p.pid, err)
}

// memory reads what the group has in use now.
func (g *Cgroup) memory() (u memoryUse, err error) {
	d := g.memoryDir()
	total, prefix := "memory.current", ""
	if !d.unified {
		total, prefix = "memory.usage_in_bytes", "total_"
	}
	if u.total, err = counter(d.path, total, ""); err != nil {
		return u, err
	}
	// The total comes first: what the kernel drops between the two is taken for the function's own, which a second look puts
	// right. The other way round, what it has just taken would be.
	found, err := counters(d.path, "memory.stat", prefix+"active_file", prefix+"inactive_file")
	if err != nil {
		return u, err
	}
	u.cache = found[0] + found[1]
	return u, nil
}

// memoryMark has the kernel tell when a group's use of memory grows past a mark. Where the kernel refuses to (version 1 of a
// kernel with PREEMPT_RT has no events; there may be no descriptor left), somebody has to look from time to time.
type memoryMark struct {
	dir     cgroupDir
	at      int64    // bytes
	events  *os.File // readable when it has; nil before the first mark
	seen    string   // of version 2: what events said last
	refused error    // why the kernel does not tell of this mark
}

func (g *Cgroup) memoryMark() *memoryMark { return &memoryMark{dir: g.memoryDir()} }

func (m *memoryMark) Close() error { return m.events.Close() } // nil-safe

// set moves the mark. Version 2 also slows a group down that is past it, which gives the lab the time to look. A mark that is
// refused is tried again with the next.
func (m *memoryMark) set(bytes int64) {
	if bytes == m.at && m.refused == nil {
		return
	}
	m.at = bytes
	if m.dir.unified {
		m.refused = m.setHigh(bytes)
	} else {
		m.refused = m.setThreshold(bytes)
	}
}

func (m *memoryMark) setHigh(bytes int64) error {
	if m.events == nil {
		fd, err := unix.Open(filepath.Join(m.dir.path, "memory.events"), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		m.events = os.NewFile(uintptr(fd), "memory.events")
	}
	return write(filepath.Join(m.dir.path, "memory.high"), strconv.FormatInt(bytes, 10))
}

// setThreshold registers an event of version 1, and takes back the one before it.
// https://docs.kernel.org/admin-guide/cgroup-v1/memory.html#memory-thresholds
func (m *memoryMark) setThreshold(bytes int64) error {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	m.Close()
	m.events = os.NewFile(uintptr(fd), "eventfd")
	usage, err := os.Open(filepath.Join(m.dir.path, "memory.usage_in_bytes"))
	if err != nil {
		return err
	}
	defer usage.Close()
	return write(filepath.Join(m.dir.path, "cgroup.event_control"), fmt.Sprintf("%d %d %d", fd, usage.Fd(), bytes))
}

// wait returns when the mark may have been passed, or when so much time has; zero: any. Of a mark that was refused it returns
// after firstLook. If ctx ends first, the error is its cause.
func (m *memoryMark) wait(ctx context.Context, most time.Duration) error {
	if m.refused == nil {
		m.refused = m.await(ctx, most)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case m.refused != nil:
		return sleep(ctx, firstLook)
	}
	return nil
}

// await waits for the event.
func (m *memoryMark) await(ctx context.Context, most time.Duration) error {
	var deadline time.Time
	if most > 0 {
		deadline = time.Now().Add(most)
	}
	if err := m.events.SetReadDeadline(deadline); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = m.events.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	conn, err := m.events.SyscallConn()
	if err != nil {
		return err
	}
	var readErr error
	err = conn.Read(func(fd uintptr) (done bool) {
		done, readErr = m.fired(int(fd))
		return done || readErr != nil
	})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return errors.Join(err, readErr)
}

// fired tells whether there was an event since it was asked last.
func (m *memoryMark) fired(fd int) (bool, error) {
	b := make([]byte, 512)
	if m.dir.unified {
		n, err := unix.Pread(fd, b, 0) // this also has the kernel tell of the next
		if err != nil {
			return false, os.NewSyscallError("read memory.events", err)
		}
		was := m.seen
		m.seen = string(b[:n])
		return m.seen != was, nil
	}
	switch _, err := unix.Read(fd, b); err {
	case nil:
		return true, nil
	case unix.EAGAIN, unix.EINTR:
		return false, nil
	default:
		return false, os.NewSyscallError("read eventfd", err)
	}
}
