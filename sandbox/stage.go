package sandbox

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A stage is the first moments of an execution environment, written down: the system calls by which a process that was
// forked confines itself, waits for its order and becomes the function. Whoever plans it is an ordinary Go program; who
// carries it out (stage_run.go) has no Go runtime, and only does one call after the other.
//
// The process works in its parent's memory until it becomes the function: nothing has to be copied when it is made, and
// nothing to be thrown away when it executes another program, which was the most of what that took. Hence all that the
// calls point to lies in the stage, which is memory of its own, outside of the collector's, and there as long as it is
// busy. It has no pointers, only addresses.
type stage struct {
	stack [4 << 10]byte // of the process; first, because its end has to be aligned

	calls   [maxCalls]call
	count   int
	results [maxResults]uintptr // what calls returned, for later ones
	kept    int

	text [16 << 10]byte // strings and structures that calls point to
	used int
	step excerpt // of the calls that are being planned

	control [8]int32 // the ancillary data that comes with the order (cmsg(3)): a header of 16 bytes, then a descriptor
	message header   // how to receive the order

	failed  uint64    // the error of the call that failed
	words   [4]vector // it, and what to say of it: step, a zero, and what
	failure header    // how to send all that
	pause   unix.Timespec

	busy  atomic.Uint32           // zero once the process has become another program, or has ended: the kernel says so
	inbox [maxMessage / 8]uintptr // the order, see order.encode
}

const (
	maxCalls   = 192
	maxResults = 32
)

// call is one system call of a stage.
type call struct {
	args   [6]uintptr
	from   [6]origin
	number uint16
	pass   [2]uint16 // errors that are none
	keeps  uint8     // one more than the index of the result that it keeps; zero: it keeps none
	end    bool      // a result of zero is the end: nobody needs the environment any more
	busy   bool      // ETXTBSY may pass
	step   excerpt   // what to say if it fails, see statusError
	what   excerpt
}

// excerpt is a string in a stage's text.
type excerpt struct{ at, size uint16 }

// origin says where an argument comes from.
type origin uint8

const (
	literal    origin = iota // it is what it is
	result                   // its value is the index of a result
	received                 // its value is the index of a word of the inbox
	descriptor               // it is the descriptor that came with the order
)

// argument is one of a call's.
type argument struct {
	value uintptr
	from  origin
}

// vector and header have the layout of the kernel's struct iovec and struct msghdr. They hold addresses as numbers, so
// that to write one needs no help of the Go runtime.
type vector struct{ base, size uintptr }

type header struct {
	name        uintptr
	nameSize    uint32
	vectors     uintptr
	vectorCount uintptr
	control     uintptr
	controlSize uintptr
	flags       int32
}

// newStage makes an empty stage. It ends with close, when it is no longer busy.
func newStage() (*stage, error) {
	memory, err := unix.MmapPtr(-1, 0, nil, unsafe.Sizeof(stage{}), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	s := (*stage)(memory)
	// A twentieth of it is used. To map it in large pages would cost more, in time and memory, than all that is done with it.
	_, _, _ = syscall.Syscall(unix.SYS_MADVISE, uintptr(memory), unsafe.Sizeof(*s), unix.MADV_NOHUGEPAGE) // ENOSYS and EINVAL: there are none
	s.message = header{
		vectors: structureOf(s, vector{uintptr(unsafe.Pointer(&s.inbox)), unsafe.Sizeof(s.inbox)}).value, vectorCount: 1,
		control: uintptr(unsafe.Pointer(&s.control)), controlSize: unsafe.Sizeof(s.control),
	}
	s.words[0] = vector{uintptr(unsafe.Pointer(&s.failed)), unsafe.Sizeof(s.failed)}
	s.words[2] = vector{s.string("").value, 1}
	s.failure = header{vectors: uintptr(unsafe.Pointer(&s.words)), vectorCount: uintptr(len(s.words))}
	s.pause = unix.Timespec{Nsec: 1e6}
	return s, nil
}

func (s *stage) close() error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(unsafe.Pointer(s), unsafe.Sizeof(*s)))
}

// begin names the calls that are planned from now on.
func (s *stage) begin(step string) { s.step = s.excerpt(step) }

// add plans a call. What says what it tries on what, for people.
func (s *stage) add(what string, number uint16, args ...argument) *call {
	c := &s.calls[s.count]
	s.count++
	c.number = number
	for i, a := range args {
		c.args[i], c.from[i] = a.value, a.from
	}
	c.step, c.what = s.step, s.excerpt(what)
	return c
}

// keep makes the call's result an argument of later ones.
func (s *stage) keep(c *call) argument {
	s.kept++
	c.keeps = uint8(s.kept)
	return argument{uintptr(s.kept - 1), result}
}

func lit(n int) argument            { return argument{uintptr(n), literal} }
func word(index int) argument       { return argument{uintptr(index), received} }
func own(p unsafe.Pointer) argument { return argument{uintptr(p), literal} }

// string puts a string into the stage, with the zero that ends it.
func (s *stage) string(text string) argument {
	return argument{s.bytes(append([]byte(text), 0)), literal}
}

func (s *stage) bytes(b []byte) uintptr {
	const alignment = 8
	s.used = (s.used + alignment - 1) &^ (alignment - 1)
	return uintptr(unsafe.Pointer(&s.text[s.put(b)]))
}

// put returns where in the text it has put b.
func (s *stage) put(b []byte) (at int) {
	at = s.used
	if copy(s.text[at:], b) < len(b) || at == len(s.text) {
		panic(fmt.Sprintf("sandbox: a stage with more than %d bytes of text", len(s.text)))
	}
	s.used += len(b)
	return at
}

func (s *stage) excerpt(text string) excerpt {
	if text == "" {
		return excerpt{}
	}
	return excerpt{uint16(s.put([]byte(text))), uint16(len(text))}
}

func (e excerpt) of(s *stage) string { return string(s.text[e.at : e.at+e.size]) }

// structureOf puts a structure of the kernel's layout into the stage. Go pointers in it would count for nothing.
func structureOf[T any](s *stage, v T) argument {
	return argument{s.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))), literal}
}

// String lists the plan, one call a line, for people and tests.
func (s *stage) String() string {
	var b strings.Builder
	for _, c := range s.calls[:s.count] {
		fmt.Fprintf(&b, "%s: %s\n", c.step.of(s), c.what.of(s))
	}
	return b.String()
}
