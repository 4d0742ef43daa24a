package netlab

import (
	"net/netip"
	"testing"

	"enilab/internal/nstest"
)

// What the kernel does not delete stays in the books, with its address, and can be deleted again.
func TestDeleteThatFails(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	lab := NewLab()
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	vpc, err := lab.AddVPC(t.Context(), VPCSpec{
		ID: "vpc-a", CIDR: netip.MustParsePrefix("10.0.0.0/16"), SecurityGroups: []SecurityGroupSpec{group("sg-a")},
		Subnets: []SubnetSpec{{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	i, err := vpc.NewInterface(t.Context(), InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-a"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Create(); err != nil {
		t.Fatal(err)
	}
	used := func() int { _, n, _, _ := vpc.Subnet("subnet-a"); return n }
	link, before := i.link, used()
	i.link = loopback // which the kernel does not delete
	if err := i.Delete(); err == nil {
		t.Fatal("the loopback device was deleted")
	}
	if len(vpc.Interfaces()) != 1 || used() != before {
		t.Errorf("%d interfaces, %d addresses: it is forgotten", len(vpc.Interfaces()), used())
	}
	i.link = link
	if err := i.Delete(); err != nil {
		t.Error(err)
	}
	if len(vpc.Interfaces()) != 0 || used() != before-1 {
		t.Errorf("%d interfaces, %d addresses after it", len(vpc.Interfaces()), used())
	}
	if err := i.Delete(); err != nil { // twice is no error
		t.Error(err)
	}
}
