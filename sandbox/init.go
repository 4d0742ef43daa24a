package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"enilab/internal/confine"
	"enilab/internal/netns"
	"enilab/netlab"

	"golang.org/x/sys/unix"
)

// InitArg is the first argument of the process that a Zygote makes of this same program. Its main must call Init then,
// before anything else.
const InitArg = "__sandbox"

// zygoteFD is the zygote's socket to the lab, after the three standard descriptors.
const zygoteFD = 3

// maxJoins is how many control groups a process is put into at most: one of version 2, or one for each controller.
const maxJoins = 4

// Init is the whole life of a zygote. It never returns.
func Init() {
	runtime.LockOSThread()
	unix.CloseOnExec(zygoteFD)
	err := serve()
	var code int
	if err != nil && !errors.Is(err, errEnded) {
		_, _ = unix.Write(zygoteFD, statusError("zygote", err)) // the reader finds the end of the stream if this fails
		code = 1
	}
	os.Exit(code)
}

// serve builds the common root and forks until the lab has gone.
func serve() error {
	z, err := newForker()
	if err != nil {
		return err
	}
	if err := reply(child{}); err != nil {
		return err
	}
	for {
		message, files, err := receive(zygoteFD, maxPlan, 2+maxJoins)
		if err != nil {
			return err
		}
		made, err := z.fork(message, files)
		for _, fd := range files {
			unix.Close(fd)
		}
		if errors.Is(err, errLost) {
			return err
		}
		if err != nil {
			_, err = unix.Write(zygoteFD, statusError("process", err))
		} else {
			err = reply(made)
			unix.Close(made.pidfd)
		}
		if err != nil {
			return err
		}
	}
}

// child is a process that a zygote has made, or none.
type child struct {
	pid   int
	pidfd int
	inbox uintptr // where in its memory it receives its order
}

// reply tells of a child. A zero byte tells it from a statusError.
func reply(c child) error {
	var rights []byte
	if c.pid > 0 {
		rights = unix.UnixRights(c.pidfd)
	}
	b := binary.NativeEndian.AppendUint64([]byte{0}, uint64(c.pid))
	return unix.Sendmsg(zygoteFD, binary.NativeEndian.AppendUint64(b, uint64(c.inbox)), rights, nil, unix.MSG_NOSIGNAL)
}

// forker is what a zygote works with.
type forker struct {
	home     int // its own network namespace
	machine  machine
	buffers  []netns.Sysctl // of each environment's network namespace
	settings netns.Settings // through which it gets them
	pidfd    int32          // of the process that was made last; here, because the kernel writes it and a stack may move

	stages []*stage // of processes that had not become functions when it looked
	looks  int      // which of them it looks at next
}

// reclaim gives back the memory of some stages that are over: of more than are begun meanwhile.
func (z *forker) reclaim() (err error) {
	const several = 4
	for range min(several, len(z.stages)) {
		z.looks %= len(z.stages)
		if z.stages[z.looks].busy.Load() != 0 {
			z.looks++
			continue
		}
		last := len(z.stages) - 1
		err = errors.Join(err, z.stages[z.looks].close())
		z.stages[z.looks], z.stages = z.stages[last], z.stages[:last]
		if last == 0 {
			break
		}
	}
	return err
}

func newForker() (*forker, error) {
	z := new(forker)
	unix.Umask(0o022) // is inherited
	var err error
	if z.machine.lastCapability, err = confine.LastCapability(); err != nil {
		return nil, err
	}
	if z.machine.limits, err = limitsHere(); err != nil {
		return nil, err
	}
	if z.machine.watches, err = watchBounds(); err != nil {
		return nil, err
	}
	if z.home, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return nil, err
	}
	if z.buffers, err = netlab.BufferLimits(); err != nil {
		return nil, err
	}
	if err := buildRoot(); err != nil {
		return nil, err
	}
	if z.machine.masks, err = findMasks(); err != nil {
		return nil, err
	}
	return z, confine.DropBoundingSet(z.machine.lastCapability)
}

// errLost is met by a zygote that cannot come back from a network namespace. It must end.
var errLost = errors.New("cannot return to the lab's network namespace")

// fork makes a process of a plan. The process is the lab's child, as if the lab had made it.
func (z *forker) fork(message []byte, files []int) (made child, err error) {
	var p plan
	if err := p.decode(message); err != nil || len(files) < 2 {
		return made, errMessage
	}
	network, e := files[0], entries{status: files[1], joins: files[2:], ids: -1}
	args := cloneArgs{
		flags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_PARENT | unix.CLONE_PIDFD | unix.CLONE_CLEAR_SIGHAND,
		pidfd: uint64(uintptr(unsafe.Pointer(&z.pidfd))),
	}
	if p.unified == 1 && len(e.joins) > 0 {
		args.flags |= unix.CLONE_INTO_CGROUP
		args.cgroup, e.joins = uint64(e.joins[0]), e.joins[1:]
	}
	var gate [2]int
	if p.uid == 0 {
		args.flags |= unix.CLONE_NEWUSER
		if err := unix.Pipe2(gate[:], unix.O_CLOEXEC); err != nil {
			return made, os.NewSyscallError("pipe", err)
		}
		defer unix.Close(gate[0])
		defer unix.Close(gate[1])
		e.ids, e.gate = gate[0], gate[1]
	}
	if err := z.reclaim(); err != nil {
		return made, err
	}
	stage, err := newStage()
	if err != nil {
		return made, err
	}
	z.stages = append(z.stages, stage)
	stage.plan(&p, &z.machine, e)

	if err := unix.Setns(network, unix.CLONE_NEWNET); err != nil {
		return made, os.NewSyscallError("setns", err)
	}
	var id uintptr
	var errno syscall.Errno
	err = z.settings.SetHere(z.buffers...)
	if err == nil {
		id, errno = stage.fork(&args)
	}
	if err := unix.Setns(z.home, unix.CLONE_NEWNET); err != nil {
		return made, fmt.Errorf("%w: %w", errLost, err)
	}
	if err != nil {
		return made, err
	}
	if errno != 0 {
		return made, os.NewSyscallError("clone3", errno)
	}
	if p.uid == 0 {
		if err := mapIDs(int(id), gate[1]); err != nil { // said in the process's stead, which ends for want of the gate's byte
			_ = unix.Sendto(e.status, statusError("privileges", err), unix.MSG_NOSIGNAL, nil)
		}
	}
	return child{int(id), int(z.pidfd), uintptr(unsafe.Pointer(&stage.inbox))}, nil
}

// mapIDs makes the caller's ids uid 0 and gid 0 of a process's user namespace, and lets it go on.
func mapIDs(pid, gate int) error {
	for _, f := range []struct{ name, text string }{
		{"uid_map", fmt.Sprintf("0 %d 1\n", os.Geteuid())}, {"setgroups", "deny"}, {"gid_map", fmt.Sprintf("0 %d 1\n", os.Getegid())},
	} {
		if err := os.WriteFile(fmt.Sprintf("/proc/%d/%s", pid, f.name), []byte(f.text), 0); err != nil && !(f.name == "setgroups" && errors.Is(err, syscall.ENOENT)) {
			return err
		}
	}
	_, err := unix.Write(gate, []byte{1})
	return os.NewSyscallError("write", err)
}
