package sandbox

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestPlanTravels(t *testing.T) {
	for _, p := range []plan{
		{},
		{uid: 1<<32 - 1, gid: 7, processes: 1, tmp: 1 << 62, unified: 1, hostname: "h"},
	} {
		var got plan
		if err := got.decode(p.encode()); err != nil || got != p {
			t.Errorf("%v: got %+v, want %+v", err, got, p)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add((&plan{uid: 1, hostname: "h"}).encode())
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, p2 plan
		if p.decode(b) == nil {
			if err := p2.decode(p.encode()); err != nil || p != p2 {
				t.Errorf("%v: %+v became %+v", err, p, p2)
			}
		}
	})
}

// TestOrder reads an order as the kernel does at execve: by its pointers.
func TestOrder(t *testing.T) {
	for _, o := range []order{
		{[]string{"/x"}, nil},
		{[]string{"/bin/sh", "", "a b"}, []string{"A=1", "B=\xff", ""}},
	} {
		const inbox = 0x7f00_1234_5000
		b, err := o.encode(inbox)
		if err != nil {
			t.Fatal(err)
		}
		word := func(at uint64) uint64 { return binary.NativeEndian.Uint64(b[at-inbox:]) }
		text := func(at uint64) string {
			s, _, _ := strings.Cut(string(b[at-inbox:]), "\x00")
			return s
		}
		list := func(at uint64) (l []string) {
			for ; word(at) != 0; at += 8 {
				l = append(l, text(word(at)))
			}
			return l
		}
		if path, argv, env := text(word(inbox)), list(word(inbox+8)), list(word(inbox+16)); path != o.command[0] || !slices.Equal(argv, o.command) || !slices.Equal(env, o.env) {
			t.Errorf("%q became %q %q %q", o, path, argv, env)
		}
	}
	big := order{[]string{"/x"}, []string{strings.Repeat("x", maxMessage)}}
	if _, err := big.encode(0); err == nil {
		t.Error("an order of any size")
	}
}

func TestStatusTravels(t *testing.T) {
	for _, tt := range []struct {
		err   error
		errno syscall.Errno
	}{
		{fail("bind", "/x", syscall.EPERM), syscall.EPERM},
		{fmt.Errorf("none of them: %w", fs.ErrNotExist), 0},
		{errMessage, 0},
	} {
		got := parseStatus(statusError("root", tt.err))
		if want := (StartError{"root", tt.err.Error(), tt.errno}); *got != want {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	}
	for _, b := range []string{"", "garbage", "12345678", "12345678root"} {
		if e := parseStatus([]byte(b)); e.Step != "init" {
			t.Errorf("%q: %+v", b, e)
		}
	}
}
