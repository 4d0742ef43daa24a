package nat_test

import (
	"context"
	"fmt"
	"log"
	"net/netip"

	"enilab/nat"
	"enilab/netlab"
)

// The whole translation of an ENI is text, and the same for one slot or thousands.
func ExampleRules_Plan() {
	rules := nat.Rules{Address: netip.MustParseAddr("10.0.1.10"), Ports: nat.Ports{First: 40000, Last: 40007}, Capacity: 5}
	fmt.Print(rules.Plan())
	// Output:
	// *nat
	// :PREROUTING ACCEPT [0:0]
	// :INPUT ACCEPT [0:0]
	// :OUTPUT ACCEPT [0:0]
	// :POSTROUTING ACCEPT [0:0]
	// -A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 10.0.1.10:40000-40007 --random-fully
	// -A POSTROUTING -o eth0 -p udp -j SNAT --to-source 10.0.1.10:40000-40007 --random-fully
	// COMMIT
	// *filter
	// :INPUT DROP [0:0]
	// :FORWARD DROP [0:0]
	// :OUTPUT ACCEPT [0:0]
	// :new - [0:0]
	// :full - [0:0]
	// -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	// -A FORWARD -s 100.64.0.0/10 -i tun0 -o eth0 -p tcp --syn -m conntrack --ctstate NEW -j new
	// -A FORWARD -s 100.64.0.0/10 -i tun0 -o eth0 -p udp -m conntrack --ctstate NEW -j new
	// -A new -m connlimit --connlimit-above 5 --connlimit-mask 0 --connlimit-saddr -g full
	// -A new -j ACCEPT
	// -A full -p tcp -j DROP
	// -A full -p udp -j DROP
	// COMMIT
}

// An ENI in a customer's subnet, and a slot that is given it.
func ExampleNode_NewENI() {
	var (
		ctx        = context.Background()
		hyperplane *nat.Node   // on the underlay, see netlab.NewUnderlay
		vpc        *netlab.VPC // the customer's
		slot       nat.Tunnel  // made ahead of time
	)
	if hyperplane == nil || vpc == nil {
		return
	}
	eni, err := hyperplane.NewENI(ctx, nat.ENIConfig{
		Name: "eni-blue",
		Uplink: func(ctx context.Context, owner *netlab.Node) (netip.Addr, error) {
			i, err := vpc.Connect(ctx, owner, netlab.InterfaceSpec{Subnet: "subnet-app", SecurityGroups: []string{"sg-app"}})
			if err != nil {
				return netip.Addr{}, err
			}
			return i.Address, nil
		},
	})
	if err != nil {
		log.Println(err)
		return
	}
	defer eni.Close()
	if err := eni.Bind(slot); err != nil { // 30 µs: nothing is created
		log.Println(err)
		return
	}
	flows, err := eni.Flows()
	if err != nil {
		log.Println(err)
		return
	}
	for _, f := range flows {
		fmt.Println(f) // tcp 100.64.0.1:40000 → 10.0.1.10:5000 → 10.0.1.20:80
	}
}
