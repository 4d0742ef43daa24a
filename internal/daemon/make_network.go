package daemon

import (
	"cmp"
	"context"

	"enilab/internal/ec2"
	"enilab/netlab"
)

func (d *Daemon) vpcs() (list []object, err error) {
	page, err := d.ec2.DescribeVpcs(ec2.Query{})
	for _, v := range page.Items {
		list = append(list, object{"vpc", v.VpcID, vpcSpec{v.CidrBlock}})
	}
	return list, err
}

func (d *Daemon) createVPC(ctx context.Context, o object) error {
	_, err := d.ec2.CreateVpc(ctx, ec2.CreateVpcInput{VpcID: o.Name, CidrBlock: o.Spec.(vpcSpec).CIDR.String(), Declared: true})
	return err
}

func (d *Daemon) deleteVPC(_ context.Context, o object) error {
	if err := d.lab.Lambda.ReclaimInterfaces(o.Name); err != nil {
		return err
	}
	return gone(d.ec2.DeleteVpc(o.Name))
}

func (d *Daemon) subnets() (list []object, err error) {
	page, err := d.ec2.DescribeSubnets(ec2.Query{})
	for _, s := range page.Items {
		list = append(list, object{"subnet", s.SubnetID, subnetSpec{s.VpcID, s.CidrBlock, s.AvailabilityZone}})
	}
	return list, err
}

func (d *Daemon) createSubnet(_ context.Context, o object) error {
	s := o.Spec.(subnetSpec)
	_, err := d.ec2.CreateSubnet(ec2.CreateSubnetInput{SubnetID: o.Name, VpcID: s.VPC, CidrBlock: s.CIDR.String(), AvailabilityZone: s.AZ, Declared: true})
	return err
}

// deleteSubnet waits for the interfaces of functions that have just left: they go behind the answers.
func (d *Daemon) deleteSubnet(ctx context.Context, o object) error {
	if err := d.lab.Lambda.ReclaimInterfaces(o.Spec.(subnetSpec).VPC); err != nil {
		return err
	}
	return untilFree(ctx, func() error { return gone(d.ec2.DeleteSubnet(o.Name)) })
}

func (d *Daemon) groups() (list []object, err error) {
	page, err := d.ec2.DescribeSecurityGroups(ec2.Query{})
	for _, g := range page.Items {
		spec := groupSpec{VPC: g.VpcID, Description: g.Description, isDefault: g.GroupName == "default"}
		var in, out []netlab.Rule
		for _, r := range g.Rules {
			if r.IsEgress {
				out = append(out, r.Rule())
			} else {
				in = append(in, r.Rule())
			}
		}
		spec.Ingress, spec.Egress = ruleTexts(in), ruleTexts(out)
		list = append(list, object{"security-group", g.GroupID, spec})
	}
	return list, err
}

// freeGroups sees to groups whose rules name each other: those that come are made without rules first, and those that go
// lose theirs.
func (d *Daemon) freeGroups(ctx context.Context, steps []step) map[string]error {
	failed := map[string]error{}
	for _, s := range steps {
		if s.Action == Delete {
			if err := gone(d.ec2.SetSecurityGroupRules(ctx, s.Name, nil, nil)); err != nil {
				failed[s.Name] = err
			}
		}
		if s.Action != Create {
			continue
		}
		spec := s.to.Spec.(groupSpec)
		_, err := d.ec2.CreateSecurityGroup(ctx, ec2.CreateSecurityGroupInput{
			GroupID: s.Name, GroupName: s.Name, Description: spec.Description, VpcID: spec.VPC, Declared: true,
		})
		if err != nil {
			failed[s.Name] = err
		}
	}
	return failed
}

// createGroup gives a group that freeGroups has made its rules.
func (d *Daemon) createGroup(ctx context.Context, o object) error {
	return d.changeGroup(ctx, o, o)
}

func (d *Daemon) changeGroup(ctx context.Context, from, to object) error {
	old, s := from.Spec.(groupSpec), to.Spec.(groupSpec)
	if old.VPC != s.VPC || old.Description != s.Description {
		return d.fixed(ctx, from, to)
	}
	egress := s.rules.Egress
	if egress == nil {
		egress = []netlab.Rule{netlab.All}
	}
	return d.ec2.SetSecurityGroupRules(ctx, to.Name, permissions(s.rules.Ingress), permissions(egress))
}

// permissions are rules as EC2 takes them, each once.
func permissions(rules []netlab.Rule) []ec2.IPPermission {
	list := make([]ec2.IPPermission, 0, len(rules))
	seen := map[string]bool{}
	for _, r := range rules {
		text := ruleTexts([]netlab.Rule{r})[0]
		if seen[text] {
			continue
		}
		seen[text] = true
		p := ec2.IPPermission{IPProtocol: r.Protocol}
		if r.Protocol == "tcp" || r.Protocol == "udp" {
			from, to := int(r.FromPort), int(cmp.Or(r.ToPort, r.FromPort))
			if from == 0 && to == 0 {
				to = 65535
			}
			p.FromPort, p.ToPort = &from, &to
		}
		if r.Group != "" {
			p.UserIDGroupPairs = []ec2.UserIDGroupPair{{GroupID: r.Group}}
		} else {
			p.IPRanges = []ec2.IPRange{{CidrIP: r.CIDR.String()}}
		}
		list = append(list, p)
	}
	return list
}

// deleteGroup does without interfaces that only wait for their end.
func (d *Daemon) deleteGroup(ctx context.Context, o object) error {
	if err := d.lab.Lambda.ReclaimInterfaces(o.Spec.(groupSpec).VPC); err != nil {
		return err
	}
	return untilFree(ctx, func() error { return gone(d.ec2.DeleteSecurityGroup(ctx, o.Name)) })
}
