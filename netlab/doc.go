// Package netlab builds the wires: customer VPCs with subnets, security groups, network interfaces and servers, the
// underlay between workers and Hyperplane nodes, and the internet.
//
// A [Spec] is plain data and [Spec.Build] the only bridge from it to kernel state. A VPC is one network namespace that
// routes; it has no bridge (a Linux bridge ends at 1,024 ports and slows as it fills). The owner of an interface sees
// what AWS shows: its address in the subnet and the router at the subnet's first address. The VPC's namespace holds a
// /32 route per interface and answers ARP in everybody's name, as the VPC mapping service does.
//
// What a [Lab] with Keep builds is pinned once it is complete and outlives the process that built it, with its servers
// and connections. Another process adopts it: first the VPCs, then interfaces and resources; [VPC.Sweep] ends what
// nobody adopted, and [EndPinned] what nobody wants. The kernel is the truth about what is there, the caller's spec about
// what should be; what was half made was not pinned and went with its maker.
package netlab
