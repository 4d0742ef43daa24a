package sandbox

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"syscall"
	"testing"
)

func TestPlanTravels(t *testing.T) {
	for _, p := range []plan{
		{},
		{uid: 1<<32 - 1, gid: 7, processes: 1, tmp: 1 << 62, joins: 3, hostname: "h"},
	} {
		var got plan
		if err := got.decode(p.encode()); err != nil || got != p {
			t.Errorf("%v: got %+v, want %+v", err, got, p)
		}
	}
}

func TestOrderTravels(t *testing.T) {
	for _, o := range []order{
		{[]string{}, []string{}},
		{[]string{"", "a b"}, []string{"A=1", "B=\x00\xff"}},
	} {
		var got order
		if err := got.decode(o.encode()); err != nil || !reflect.DeepEqual(got, o) {
			t.Errorf("%v: got %+v, want %+v", err, got, o)
		}
	}
}

func FuzzPlan(f *testing.F) {
	f.Add((&plan{uid: 1, hostname: "h"}).encode())
	f.Add((&order{[]string{"x"}, []string{"A=1"}}).encode())
	f.Add([]byte(strings.Repeat("\xff", 40)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p, p2 plan
		if p.decode(b) == nil {
			if err := p2.decode(p.encode()); err != nil || p != p2 {
				t.Errorf("%v: %+v became %+v", err, p, p2)
			}
		}
		var o, o2 order
		if o.decode(b) == nil {
			if err := o2.decode(o.encode()); err != nil || !reflect.DeepEqual(o, o2) {
				t.Errorf("%v: %+v became %+v", err, o, o2)
			}
		}
	})
}

func TestStatusTravels(t *testing.T) {
	for _, tt := range []struct {
		err   error
		errno syscall.Errno
	}{
		{fail("bind", "/x", syscall.EPERM), syscall.EPERM},
		{fmt.Errorf("none of them: %w", fs.ErrNotExist), syscall.ENOENT},
		{errMessage, 0},
	} {
		got := parseStatus(statusError("root", tt.err))
		if want := (StartError{"root", tt.err.Error(), tt.errno}); *got != want {
			t.Errorf("got %+v, want %+v", *got, want)
		}
	}
	for _, b := range []string{"", "garbage", "1\x00root", "x\x00root\x00y"} {
		if e := parseStatus([]byte(b)); e.Step != "init" {
			t.Errorf("%q: %+v", b, e)
		}
	}
}
