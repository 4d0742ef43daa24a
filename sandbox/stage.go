package sandbox

import (
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A stage is the first moments of an execution environment, written down: the system calls by which a process that was
// forked confines itself, waits for its order and becomes the function. Whoever plans it is an ordinary Go program; who
// carries it out (stage_run.go) has no Go runtime any more, and only does one call after the other.
//
// All that the calls point to lies in the stage itself, which fork copies, and which no collector moves or frees while the
// planner holds it.
type stage struct {
	calls   [maxCalls]call
	count   int
	results [maxResults]uintptr // what calls returned, for later ones
	kept    int

	text  [16 << 10]byte // strings and structures that calls point to
	used  int
	step  string   // of the calls that are being planned
	steps []string // of all calls, kept for their sake, and what they try
	whats []string

	inbox   [maxMessage / 8]uintptr // the order, see order.encode
	control [8]int32                // its ancillary data (cmsg(3)): a header of 16 bytes, then a descriptor
	message header                  // how to receive both

	failed  uint64    // the error of the call that failed
	words   [4]vector // it, and what to say of it: step, a zero, and what
	failure header    // how to send all that
	pause   unix.Timespec
}

const (
	maxCalls   = 192
	maxResults = 32
)

// call is one system call of a stage.
type call struct {
	number uintptr
	args   [6]uintptr
	from   [6]origin
	keeps  int              // one more than the index of the result that it keeps; zero: it keeps none
	pass   [2]syscall.Errno // errors that are none
	end    bool             // a result of zero is the end: nobody needs the environment any more
	busy   bool             // ETXTBSY may pass
	step   vector           // what to say if it fails, see statusError
	what   vector
}

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

// reset makes the stage ready to be planned anew.
func (s *stage) reset() {
	clear(s.calls[:s.count])
	s.count, s.kept, s.used = 0, 0, 0
	s.steps, s.whats = s.steps[:0], s.whats[:0]
	s.message = header{
		vectors: structureOf(s, vector{uintptr(unsafe.Pointer(&s.inbox)), unsafe.Sizeof(s.inbox)}).value, vectorCount: 1,
		control: uintptr(unsafe.Pointer(&s.control)), controlSize: unsafe.Sizeof(s.control),
	}
	s.words[0] = vector{uintptr(unsafe.Pointer(&s.failed)), unsafe.Sizeof(s.failed)}
	s.words[2] = vector{s.string("").value, 1}
	s.failure = header{vectors: uintptr(unsafe.Pointer(&s.words)), vectorCount: uintptr(len(s.words))}
	s.pause = unix.Timespec{Nsec: 1e6}
}

// add plans a call. What says what it tries on what, for people.
func (s *stage) add(what string, number uintptr, args ...argument) *call {
	c := &s.calls[s.count]
	s.count++
	c.number = number
	for i, a := range args {
		c.args[i], c.from[i] = a.value, a.from
	}
	s.steps, s.whats = append(s.steps, s.step), append(s.whats, what)
	c.step, c.what = vectorOf(s.step), vectorOf(what)
	return c
}

// vectorOf points to a string that somebody keeps.
func vectorOf(s string) vector {
	return vector{uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(len(s))}
}

// keep makes the call's result an argument of later ones.
func (s *stage) keep(c *call) argument {
	s.kept++
	c.keeps = s.kept
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
	at := s.text[s.used:]
	if copy(at, b) < len(b) {
		panic(fmt.Sprintf("sandbox: a stage with more than %d bytes of text", len(s.text)))
	}
	s.used += len(b)
	return uintptr(unsafe.Pointer(&at[0]))
}

// structureOf puts a structure of the kernel's layout into the stage. Go pointers in it would count for nothing.
func structureOf[T any](s *stage, v T) argument {
	return argument{s.bytes(unsafe.Slice((*byte)(unsafe.Pointer(&v)), unsafe.Sizeof(v))), literal}
}

// String lists the plan, one call a line, for people and tests.
func (s *stage) String() string {
	var b strings.Builder
	for i, what := range s.whats {
		fmt.Fprintf(&b, "%s: %s\n", s.steps[i], what)
	}
	return b.String()
}
