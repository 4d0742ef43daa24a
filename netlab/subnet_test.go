package netlab_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"enilab/internal/nstest"
	"enilab/netlab"
)

func TestSubnetsComeAndGo(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	subnet := func(id, cidr string) netlab.SubnetSpec {
		return netlab.SubnetSpec{ID: id, CIDR: netip.MustParsePrefix(cidr)}
	}
	for _, c := range []struct {
		spec netlab.SubnetSpec
		is   error
		want string
	}{
		{subnet("subnet-x", "10.1.0.0/24"), netlab.ErrOutside, `vpc vpc-blue: subnet "subnet-x": 10.1.0.0/24 is not inside the VPC's 10.0.0.0/16`},
		{subnet("subnet-x", "10.0.1.128/25"), netlab.ErrOverlap, `vpc vpc-blue: subnet "subnet-x": 10.0.1.128/25 overlaps 10.0.1.0/24 of subnet "subnet-a"`},
		{subnet("subnet-a", "10.0.9.0/24"), nil, `vpc vpc-blue: subnet "subnet-a": there is one of this name already`},
		{subnet("subnet-x", "10.0.9.0/29"), nil, `vpc vpc-blue: subnet "subnet-x": CIDR 10.0.9.0/29: the size must be between /16 and /28`},
	} {
		if err := vpc.AddSubnet(c.spec); err == nil || err.Error() != c.want || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
	var wg sync.WaitGroup
	var won sync.Map
	for n := range 8 { // of those that overlap, one is added
		wg.Go(func() {
			if err := vpc.AddSubnet(subnet(fmt.Sprintf("subnet-%d", n), "10.0.9.0/24")); err == nil {
				won.Store(n, true)
			} else if !errors.Is(err, netlab.ErrOverlap) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	count := 0
	won.Range(func(any, any) bool { count++; return true })
	all := vpc.Subnets()
	if count != 1 || len(all) != 4 || all[1].ID != "subnet-a" || all[0].AZ != netlab.DefaultAZ {
		t.Errorf("%d were added; there are %v", count, all)
	}
	must(t, vpc.RemoveSubnet(all[0].ID))
	must(t, vpc.AddSubnet(all[0]))

	i, err := vpc.NewInterface(t.Context(), open)
	must(t, err)
	const inUse = "vpc vpc-blue: subnet subnet-a: in use: interface "
	if err := vpc.RemoveSubnet("subnet-a"); !errors.Is(err, netlab.ErrInUse) || err.Error() != inUse+i.ID+" is in it" {
		t.Error(err)
	}
	i.Forget()
	must(t, vpc.RemoveSubnet("subnet-a"))
	if err := vpc.RemoveSubnet("subnet-a"); !errors.Is(err, netlab.ErrNotFound) {
		t.Error(err)
	}
}

func TestSecurityGroupsComeAndGo(t *testing.T) {
	nstest.NoLeaks(t)
	vpc := newVPC(t, plain("vpc-blue"))
	must(t, vpc.SetSecurityGroup(t.Context(), netlab.SecurityGroupSpec{ID: "sg-data", Ingress: []netlab.Rule{
		{Protocol: "-1", Group: "sg-app"}, {Protocol: "-1", Group: "sg-data"},
	}}))
	must(t, vpc.SetSecurityGroup(t.Context(), netlab.SecurityGroupSpec{ID: "sg-app"}))
	i, err := vpc.NewInterface(t.Context(), netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-data", "sg-open"}})
	must(t, err)
	for id, want := range map[string]string{
		"sg-app":  "vpc vpc-blue: security group sg-app: in use: a rule of sg-data names it",
		"sg-data": "vpc vpc-blue: security group sg-data: in use: interface " + i.ID + " has it",
	} {
		if err := vpc.RemoveSecurityGroup(t.Context(), id); !errors.Is(err, netlab.ErrInUse) || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	i.Forget()
	must(t, vpc.RemoveSecurityGroup(t.Context(), "sg-data")) // names itself, and a set that nobody uses has it
	must(t, vpc.RemoveSecurityGroup(t.Context(), "sg-app"))
	if err := vpc.RemoveSecurityGroup(t.Context(), "sg-app"); !errors.Is(err, netlab.ErrNotFound) {
		t.Error(err)
	}
	if all := vpc.SecurityGroups(); len(all) != 2 || all[0].ID != "sg-open" || all[1].ID != "sg-shut" {
		t.Errorf("groups %v", all)
	}
	i, err = vpc.NewInterface(t.Context(), open) // commits
	must(t, err)
	if i.Type != "interface" || i.Attachment != (netlab.Attachment{}) {
		t.Errorf("%+v", i)
	}
}
