// Package nat is the Hyperplane side of shared mode: the node where tunnels end, and the Hyperplane ENIs that translate
// addresses from the Lambda VPC into customers' VPCs.
//
// Each ENI is a network namespace of its own, so that customers with the same CIDR, the same server address and even the
// same ENI address cannot meet: separate routes, separate connection tracking, no marks, no zones. To bind a slot to an
// ENI creates nothing: a VXLAN forwarding entry may carry a VNI of its own, so three netlink messages connect them.
package nat
