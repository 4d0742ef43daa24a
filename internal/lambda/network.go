package lambda

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"enilab/sandbox"
)

// network is where a function's environments are attached: made when the function is created or its settings change,
// released when neither needs it any more.
type network interface {
	// place finds an environment's slot and plans its connection. Nothing of that is done before the first of its steps.
	place(ctx context.Context) (attachment, error)
	// release gives back what the network holds ahead of time.
	release() error
}

// attachment connects one environment.
type attachment interface {
	// slot is where the environment lives.
	slot() *sandbox.Slot
	// steps are done in order while the cold start waits.
	steps() []sandbox.Step
	// seen is the interface, and its address, that servers in the VPC see.
	seen() (eni string, address netip.Addr)
	// end undoes the steps that were done and gives the slot back. It is called once, when the environment's processes
	// are gone.
	end() error
}

// prepare makes a function's network. In shared mode this takes the time that it takes to make ENIs.
func (s *Service) prepare(ctx context.Context, c FunctionConfiguration) (network, error) {
	if !c.VpcConfig.Attached() {
		return s.prepareProvider(ctx, c)
	}
	vpc := s.Network.VPC(c.VpcConfig.VpcID)
	if vpc == nil {
		return nil, fails(noSubnet, "there is no vpc %q any more", c.VpcConfig.VpcID)
	}
	switch c.Mode {
	case Legacy, LegacyInPlace:
		return s.prepareLegacy(ctx, vpc, c)
	default:
		return s.prepareShared(ctx, vpc, c)
	}
}

// resolve checks a VpcConfig against the VPCs there are and fills in VpcID. It is pure.
func (s *Service) resolve(c VpcConfig) (VpcConfig, error) {
	const maxSubnets, maxGroups = 16, 5 // https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html
	switch {
	case !c.Attached():
		return VpcConfig{Given: c.Given}, nil
	case len(c.SubnetIDs) == 0 || len(c.SecurityGroupIDs) == 0:
		// https://github.com/appleboy/lambda-action/issues/72
		return c, refuse(InvalidParameterValue, "SubnetIds and SecurityIds must coexist or be both empty list.")
	case len(c.SubnetIDs) > maxSubnets:
		return c, refuse(InvalidParameterValue, "VpcConfig names %d subnets; give 1 to %d, or neither subnets nor security groups for no VPC", len(c.SubnetIDs), maxSubnets)
	case len(c.SecurityGroupIDs) > maxGroups:
		return c, refuse(InvalidParameterValue, "VpcConfig names %d security groups; give 1 to %d", len(c.SecurityGroupIDs), maxGroups)
	}
	c.SubnetIDs, c.SecurityGroupIDs = slices.Clone(c.SubnetIDs), slices.Clone(c.SecurityGroupIDs) // the caller's may change
	var homes []string
	for id, vpc := range s.Network.VPCs() {
		if c.VpcID != "" && id != c.VpcID {
			continue
		}
		if _, _, _, ok := vpc.Subnet(c.SubnetIDs[0]); ok {
			homes = append(homes, id)
		}
	}
	slices.Sort(homes)
	switch len(homes) {
	case 0:
		return c, refuse(InvalidParameterValue, "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet ID '%s' does not exist", c.SubnetIDs[0])
	case 1:
		c.VpcID = homes[0]
	default:
		return c, refuse(InvalidParameterValue, "subnet %q is in several VPCs (%v); set VpcConfig.VpcId to one of them", c.SubnetIDs[0], homes)
	}
	vpc := s.Network.VPC(c.VpcID)
	for _, id := range c.SubnetIDs {
		if _, _, _, ok := vpc.Subnet(id); !ok {
			return c, refuse(InvalidParameterValue, "subnet %q is not in %s, where the first subnet is; all must be in one VPC", id, c.VpcID)
		}
	}
	for _, id := range c.SecurityGroupIDs {
		if !vpc.HasSecurityGroup(id) && s.hasSecurityGroup(id) { // https://github.com/smoketurner/serverless-vpc-plugin/issues/765
			return c, refuse(InvalidParameterValue, "Security Groups are required to be in the same VPC.")
		}
		if !vpc.HasSecurityGroup(id) {
			return c, refuse(InvalidParameterValue, "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The security group '%s' does not exist", id)
		}
	}
	return c, nil
}

// hasSecurityGroup tells whether any VPC has a group.
func (s *Service) hasSecurityGroup(id string) bool {
	for _, vpc := range s.Network.VPCs() {
		if vpc.HasSecurityGroup(id) {
			return true
		}
	}
	return false
}

// What Lambda's interfaces are described as. The shared one names the function that first needed it.
const (
	legacyDescription = "AWS Lambda VPC ENI: " // and a UUID
	sharedDescription = "AWS Lambda VPC ENI-"  // and the function's name, '-' and a UUID
)

// IsOf tells whether an interface with this description was made for a mode.
func IsOf(mode Mode, description string) bool {
	if mode == Shared {
		return strings.HasPrefix(description, sharedDescription)
	}
	return strings.HasPrefix(description, legacyDescription)
}
