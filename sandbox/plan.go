package sandbox

import (
	"encoding/binary"
	"errors"
)

// plan is what Park tells the init stage, and order what Start tells it later. They travel as their fields in order,
// numbers as varints and strings behind their lengths: decoding JSON for the first time costs a process more than all
// the rest of reading it.
type plan struct {
	uid, gid  uint64
	processes uint64
	tmp       uint64
	joins     uint64 // how many descriptors from firstJoin on are control groups to join
	hostname  string
}

type order struct {
	command []string
	env     []string
}

// maxMessage fits a socket's buffer on any kernel, so that writing it never waits for its reader.
const maxMessage = 128 << 10

var errMessage = errors.New("damaged configuration")

func (p *plan) encode() []byte {
	var b []byte
	for _, n := range p.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	return appendStrings(b, []string{p.hostname})
}

func (p *plan) decode(b []byte) (err error) {
	r := reader{rest: b}
	for _, n := range p.numbers() {
		*n = r.number()
	}
	hostname := r.strings()
	if len(hostname) != 1 {
		return errMessage
	}
	p.hostname = hostname[0]
	return r.end()
}

func (p *plan) numbers() []*uint64 {
	return []*uint64{&p.uid, &p.gid, &p.processes, &p.tmp, &p.joins}
}

func (o *order) encode() []byte { return appendStrings(appendStrings(nil, o.command), o.env) }

func (o *order) decode(b []byte) error {
	r := reader{rest: b}
	o.command, o.env = r.strings(), r.strings()
	return r.end()
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

// reader takes a message apart. What it returns after damage means nothing.
type reader struct {
	rest    []byte
	damaged bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.damaged = true
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) strings() []string {
	count := r.number()
	if count > uint64(len(r.rest)) { // each string takes a byte at least
		r.damaged = true
		return nil
	}
	list := make([]string, count)
	for i := range list {
		size := r.number()
		if size > uint64(len(r.rest)) {
			r.damaged = true
			return nil
		}
		list[i], r.rest = string(r.rest[:size]), r.rest[size:]
	}
	return list
}

func (r *reader) end() error {
	if r.damaged || len(r.rest) != 0 {
		return errMessage
	}
	return nil
}
