package netlab

import (
	"net/netip"
	"strings"
	"testing"
)

var slash28 = netip.MustParsePrefix("10.0.1.16/28")

func TestAllocatorCapacity(t *testing.T) {
	for cidr, want := range map[string]int{"10.0.0.0/16": 65531, "10.0.1.0/24": 251, "10.0.1.16/28": 11} {
		if got := NewAllocator(netip.MustParsePrefix(cidr)).Capacity(); got != want {
			t.Errorf("%s offers %d addresses, want %d", cidr, got, want)
		}
	}
}

func TestAllocatorHandsOutAllButTheReserved(t *testing.T) {
	a := NewAllocator(slash28)
	for i := range 11 {
		got, ok := a.Take()
		if want := nth(slash28, uint32(4+i)); !ok || got != want {
			t.Fatalf("address %d is %s (%v), want %s", i, got, ok, want)
		}
	}
	if got, ok := a.Take(); ok {
		t.Fatalf("a twelfth address: %s", got)
	}
	if a.InUse() != 11 {
		t.Errorf("%d in use, want 11", a.InUse())
	}
}

func TestAllocatorGoesRound(t *testing.T) {
	a := NewAllocator(slash28)
	first, _ := a.Take()
	a.Free(first)
	for range 10 {
		if got, _ := a.Take(); got == first {
			t.Fatalf("%s came back before all others had their turn", got)
		}
	}
	if got, _ := a.Take(); got != first {
		t.Errorf("after a round: %s, want %s", got, first)
	}
}

func TestAllocatorFindsTheOneThatIsFree(t *testing.T) {
	a := NewAllocator(slash28)
	for range 11 {
		a.Take()
	}
	for i := range uint32(11) {
		one := nth(slash28, 4+i)
		a.Free(one)
		if got, ok := a.Take(); !ok || got != one {
			t.Errorf("%s is free, got %s (%v)", one, got, ok)
		}
	}
}

func TestTakeExact(t *testing.T) {
	a := NewAllocator(slash28)
	const reserved = "one of the five that AWS keeps in 10.0.1.16/28"
	for _, c := range []struct{ address, want string }{
		{"10.0.1.16", reserved},
		{"10.0.1.17", reserved},
		{"10.0.1.18", reserved},
		{"10.0.1.19", reserved},
		{"10.0.1.20", ""},
		{"10.0.1.20", "in use"},
		{"10.0.1.30", ""},
		{"10.0.1.31", reserved},
		{"10.0.1.15", "outside 10.0.1.16/28"},
		{"10.0.1.32", "outside 10.0.1.16/28"},
		{"::ffff:10.0.1.21", "outside"},
		{"fd00::1", "outside"},
	} {
		err := a.TakeExact(netip.MustParseAddr(c.address))
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.address)) {
			t.Errorf("%s: %v, want %q", c.address, err, c.want)
		}
	}
	if got, _ := a.Take(); got == netip.MustParseAddr("10.0.1.20") {
		t.Error("a fixed address was handed out again")
	}
}

func TestMACAndGateway(t *testing.T) {
	if got := Gateway(netip.MustParsePrefix("10.0.1.0/24")); got != netip.MustParseAddr("10.0.1.1") {
		t.Errorf("gateway %s", got)
	}
	if got := MAC(0x0a, 0x58, netip.MustParseAddr("10.0.1.10")).String(); got != "0a:58:0a:00:01:0a" {
		t.Errorf("MAC %s", got)
	}
}

// FuzzAllocator compares the allocator with a set, under any sequence of calls.
func FuzzAllocator(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x14, 0x24, 0x15, 0x25, 0x1f, 0x10, 0, 0})
	f.Fuzz(func(t *testing.T, calls []byte) {
		a, model := NewAllocator(slash28), map[netip.Addr]bool{}
		for _, call := range calls {
			addr := nth(slash28, uint32(call&0x0f))
			reserved := call&0x0f < 4 || call&0x0f == 15
			switch call >> 4 & 3 {
			case 0:
				got, ok := a.Take()
				if ok != (len(model) < 11) {
					t.Fatalf("Take: %v with %d taken", ok, len(model))
				}
				if ok {
					if model[got] || a.assignable(got) != nil {
						t.Fatalf("Take gave %s, which is not free", got)
					}
					model[got] = true
				}
			case 1:
				if err := a.TakeExact(addr); (err == nil) != (!reserved && !model[addr]) {
					t.Fatalf("TakeExact(%s): %v; taken: %v", addr, err, model[addr])
				} else if err == nil {
					model[addr] = true
				}
			default:
				a.Free(addr)
				delete(model, addr)
			}
			if a.InUse() != len(model) {
				t.Fatalf("%d in use, want %d", a.InUse(), len(model))
			}
		}
	})
}
