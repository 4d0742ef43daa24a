package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// plan is what Park tells the zygote. It travels as its fields in order, numbers as varints and the string behind its
// length: decoding JSON for the first time costs a process more than all the rest of reading it.
type plan struct {
	uid, gid  uint64
	processes uint64
	tmp       uint64
	unified   uint64 // 1: the first descriptor after the two of every plan is the control group (version 2) to begin in
	hostname  string
}

// maxMessage fits a socket's buffer on any kernel, so that writing it never waits for its reader.
const maxMessage = 128 << 10

// maxPlan bounds what the zygote reads.
const maxPlan = 4 << 10

var errMessage = errors.New("damaged configuration")

func (p *plan) encode() []byte {
	var b []byte
	for _, n := range p.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	return append(b, p.hostname...)
}

func (p *plan) decode(b []byte) error {
	for _, n := range p.numbers() {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return errMessage
		}
		*n, b = v, b[size:]
	}
	p.hostname = string(b)
	return nil
}

func (p *plan) numbers() []*uint64 {
	return []*uint64{&p.uid, &p.gid, &p.processes, &p.tmp, &p.unified}
}

// order is what Start tells a parked process: the last call that it makes.
type order struct {
	command []string
	env     []string
}

// encode writes the order as it is to lie in the receiver's memory, whose address is inbox: three words point to the
// path, the arguments and the environment, as execve(2) takes them, so that nobody has to take it apart.
func (o *order) encode(inbox uintptr) ([]byte, error) {
	const size = unsafe.Sizeof(inbox)
	pointers := 3 + len(o.command) + 1 + len(o.env) + 1
	b := make([]byte, uintptr(pointers)*size)
	at := func(index int) uint64 { return uint64(inbox) + uint64(index)*uint64(size) }
	put := func(index int, v uint64) { binary.NativeEndian.PutUint64(b[uintptr(index)*size:], v) }
	next := 3
	list := func(strings []string) {
		for _, s := range strings {
			put(next, uint64(inbox)+uint64(len(b)))
			b = append(append(b, s...), 0)
			next++
		}
		next++ // the pointer that ends the list
	}
	put(0, at(pointers)) // the command's name is the first string
	put(1, at(next))
	list(o.command)
	put(2, at(next))
	list(o.env)
	if len(b) > maxMessage {
		return nil, fmt.Errorf("command and environment take %d bytes, the limit is %d", len(b), maxMessage)
	}
	return b, nil
}
