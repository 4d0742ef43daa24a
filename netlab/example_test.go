package netlab_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"enilab/netlab"
)

// A customer's network with one server, in the kernel.
func ExampleSpec_Build() {
	spec := netlab.Spec{VPCs: []netlab.VPCSpec{{
		ID:             "vpc-blue",
		CIDR:           netip.MustParsePrefix("10.0.0.0/16"),
		Subnets:        []netlab.SubnetSpec{{ID: "subnet-app", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
		SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg-data", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: 6379, CIDR: netlab.All.CIDR}}}},
		Resources: []netlab.ResourceSpec{{
			Name: "redis", Subnet: "subnet-app", SecurityGroups: []string{"sg-data"},
			Command: []string{"redis-server", "--bind", "{address}"}, Port: 6379,
		}},
	}}}
	lab, err := spec.Build(context.Background())
	if err != nil {
		log.Println(err)
		return
	}
	defer lab.Close()
	fmt.Println("redis serves at", lab.Resource("vpc-blue", "redis").Interface.Address)
}

// Mistakes are found without any rights, all of them at once.
func ExampleSpec_Validate() {
	spec := netlab.Spec{VPCs: []netlab.VPCSpec{{
		ID:   "vpc-blue",
		CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets: []netlab.SubnetSpec{
			{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")},
			{ID: "subnet-b", CIDR: netip.MustParsePrefix("10.0.1.128/25")},
			{ID: "subnet-c", CIDR: netip.MustParsePrefix("10.9.0.0/24")},
		},
	}}}
	fmt.Println(spec.Validate())
	// Output:
	// vpc "vpc-blue": subnet "subnet-b": 10.0.1.128/25 overlaps 10.0.1.0/24 of subnet "subnet-a"
	// vpc "vpc-blue": subnet "subnet-c": 10.9.0.0/24 is not inside the VPC's 10.0.0.0/16
}

// A process's namespace becomes an instance of the VPC: it gets an eth0 in the subnet.
func ExampleVPC_Connect() {
	ctx := context.Background()
	vpc, err := netlab.NewVPC(ctx, netlab.VPCSpec{
		ID: "vpc-blue", CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets:        []netlab.SubnetSpec{{ID: "subnet-app", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
		SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg-app"}},
	})
	if err != nil {
		log.Println(err)
		return
	}
	defer vpc.Close()
	instance, err := netlab.NewNode("instance")
	if err != nil {
		log.Println(err)
		return
	}
	defer instance.Close()
	eni, err := vpc.Connect(ctx, instance, netlab.InterfaceSpec{Subnet: "subnet-app", SecurityGroups: []string{"sg-app"}})
	if err != nil {
		log.Println(err)
		return
	}
	fmt.Println(eni.ID, eni.Address)
}

func ExampleAllocator() {
	a := netlab.NewAllocator(netip.MustParsePrefix("10.0.1.0/28"))
	first, _ := a.Take()
	fmt.Println("the first of", a.Capacity(), "is", first)
	fmt.Println(a.TakeExact(netip.MustParseAddr("10.0.1.1")))
	// Output:
	// the first of 11 is 10.0.1.4
	// address 10.0.1.1 is one of the five that AWS keeps in 10.0.1.0/28 (the first four and the last)
}
