package api

import (
	"context"
	"errors"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// These tests make the calls that Terraform's provider makes, resource by resource and in its order, as its source has them:
// https://github.com/hashicorp/terraform-provider-aws internal/service/ec2/vpc_.go, vpc_subnet.go, vpc_security_group.go,
// vpc_security_group_rule.go, vpc_security_group_ingress_rule.go, internal/service/iam/role.go, role_policy.go,
// role_policy_attachment.go and policy.go. Whatever it takes for the end of a resource's creation or removal is asked here, too.

// terraform is a provider that is configured.
type terraform struct {
	*region
	ctx context.Context
	ec2 *ec2.Client
	iam *awsiam.Client
}

func newTerraform(t *testing.T) *terraform {
	r := newRegion(t)
	answer(sts.NewFromConfig(r.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	return &terraform{r, t.Context(), r.ec2(), awsiam.NewFromConfig(r.Config)}
}

// gone holds that a resource that was deleted is not found, by the code that the provider waits for.
func (p *terraform) gone(code string, err error) {
	p.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		p.Errorf("got %v, want %s", err, code)
	}
}

func (p *terraform) readVPC(id string) types.Vpc {
	p.Helper()
	v := answer(p.ec2.DescribeVpcs(p.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}}))(p).Vpcs[0]
	equal(p, "state", v.State, types.VpcStateAvailable)
	for _, a := range []types.VpcAttributeName{"enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics"} {
		answer(p.ec2.DescribeVpcAttribute(p.ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: a}))(p)
	}
	in := filter("vpc-id", id)
	equal(p, "default ACLs", len(answer(p.ec2.DescribeNetworkAcls(p.ctx, &ec2.DescribeNetworkAclsInput{Filters: append(filter("default", "true"), in...)}))(p).NetworkAcls), 1)
	equal(p, "main tables", len(answer(p.ec2.DescribeRouteTables(p.ctx, &ec2.DescribeRouteTablesInput{Filters: append(filter("association.main", "true"), in...)}))(p).RouteTables), 1)
	equal(p, "default groups", len(answer(p.ec2.DescribeSecurityGroups(p.ctx, &ec2.DescribeSecurityGroupsInput{Filters: append(filter("group-name", "default"), in...)}))(p).SecurityGroups), 1)
	return v
}

// createVPC is aws_vpc with enable_dns_hostnames.
func (p *terraform) createVPC() string {
	p.Helper()
	id := *answer(p.ec2.CreateVpc(p.ctx, &ec2.CreateVpcInput{
		CidrBlock: aws.String("10.0.0.0/16"), InstanceTenancy: types.TenancyDefault, AmazonProvidedIpv6CidrBlock: aws.Bool(false), TagSpecifications: named("vpc", "main"),
	}))(p).Vpc.VpcId
	p.modifyVPC(id, true)
	p.readVPC(id)
	return id
}

func (p *terraform) modifyVPC(id string, hostnames bool) {
	p.Helper()
	answer(p.ec2.ModifyVpcAttribute(p.ctx, &ec2.ModifyVpcAttributeInput{VpcId: &id, EnableDnsHostnames: &types.AttributeBooleanValue{Value: &hostnames}}))(p)
	got := answer(p.ec2.DescribeVpcAttribute(p.ctx, &ec2.DescribeVpcAttributeInput{VpcId: &id, Attribute: "enableDnsHostnames"}))(p)
	equal(p, "hostnames", *got.EnableDnsHostnames.Value, hostnames)
}

// retag is a change of tags: those that go, then those that come.
func (p *terraform) retag(id string) {
	p.Helper()
	answer(p.ec2.DeleteTags(p.ctx, &ec2.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("main")}}}))(p)
	answer(p.ec2.CreateTags(p.ctx, &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: aws.String("Stage"), Value: aws.String("dev")}}}))(p)
}

func (p *terraform) deleteVPC(id string) {
	p.Helper()
	answer(p.ec2.DeleteVpc(p.ctx, &ec2.DeleteVpcInput{VpcId: &id}))(p)
	_, err := p.ec2.DescribeVpcs(p.ctx, &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	p.gone("InvalidVpcID.NotFound", err)
}

// noLingering is deleteLingeringENIs: what Lambda has left in a subnet or group.
func (p *terraform) noLingering(name, id string) {
	p.Helper()
	out := answer(p.ec2.DescribeNetworkInterfaces(p.ctx, &ec2.DescribeNetworkInterfacesInput{Filters: append(filter(name, id), filter("description", "AWS Lambda VPC ENI*")...)}))(p)
	equal(p, "lingering", len(out.NetworkInterfaces), 0)
}

func TestTerraformVPCAndSubnet(t *testing.T) {
	p := newTerraform(t)
	vpc := p.createVPC()

	// aws_subnet with map_public_ip_on_launch
	id := *answer(p.ec2.CreateSubnet(p.ctx, &ec2.CreateSubnetInput{
		VpcId: &vpc, CidrBlock: aws.String("10.0.1.0/24"), AvailabilityZone: aws.String(p.Config.Region + "b"), TagSpecifications: named("subnet", "main"),
	}))(t).Subnet.SubnetId
	read := func() types.Subnet {
		return answer(p.ec2.DescribeSubnets(p.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}}))(t).Subnets[0]
	}
	modify := func(in ec2.ModifySubnetAttributeInput) {
		t.Helper()
		in.SubnetId = &id
		answer(p.ec2.ModifySubnetAttribute(p.ctx, &in))(t)
	}
	equal(t, "state", read().State, types.SubnetStateAvailable)
	modify(ec2.ModifySubnetAttributeInput{MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	equal(t, "public", *read().MapPublicIpOnLaunch, true)
	equal(t, "zone", *read().AvailabilityZone, p.Config.Region+"b")
	// changed
	modify(ec2.ModifySubnetAttributeInput{EnableResourceNameDnsARecordOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(true)}})
	equal(t, "records", *read().PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord, true)
	modify(ec2.ModifySubnetAttributeInput{MapPublicIpOnLaunch: &types.AttributeBooleanValue{Value: aws.Bool(false)}})
	equal(t, "public", *read().MapPublicIpOnLaunch, false)
	modify(ec2.ModifySubnetAttributeInput{PrivateDnsHostnameTypeOnLaunch: types.HostnameTypeResourceName})
	equal(t, "names", read().PrivateDnsNameOptionsOnLaunch.HostnameType, types.HostnameTypeResourceName)
	p.retag(id)
	equal(t, "tag", *read().Tags[0].Key, "Stage")
	// destroyed
	p.noLingering("subnet-id", id)
	answer(p.ec2.DeleteSubnet(p.ctx, &ec2.DeleteSubnetInput{SubnetId: &id}))(t)
	_, err := p.ec2.DescribeSubnets(p.ctx, &ec2.DescribeSubnetsInput{SubnetIds: []string{id}})
	p.gone("InvalidSubnetID.NotFound", err)

	p.modifyVPC(vpc, false)
	p.retag(vpc)
	equal(t, "tag", *p.readVPC(vpc).Tags[0].Key, "Stage")
	p.deleteVPC(vpc)
}

func TestTerraformSecurityGroup(t *testing.T) {
	p := newTerraform(t)
	vpc := p.createVPC()
	everything := func(ranges types.IpPermission) []types.IpPermission {
		ranges.IpProtocol, ranges.FromPort, ranges.ToPort = aws.String("-1"), aws.Int32(0), aws.Int32(0)
		return []types.IpPermission{ranges}
	}
	ipv4, ipv6 := types.IpPermission{IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}}}, types.IpPermission{Ipv6Ranges: []types.Ipv6Range{{CidrIpv6: aws.String("::/0")}}}
	both := types.IpPermission{IpRanges: ipv4.IpRanges, Ipv6Ranges: ipv6.Ipv6Ranges}

	id := answer(p.ec2.CreateSecurityGroup(p.ctx, &ec2.CreateSecurityGroupInput{
		GroupName: aws.String("web"), Description: aws.String("Managed by Terraform"), VpcId: &vpc, TagSpecifications: named("security-group", "main"),
	}))(t).GroupId
	read := func() types.SecurityGroup {
		return answer(p.ec2.DescribeSecurityGroups(p.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*id}}))(t).SecurityGroups[0]
	}
	read()
	answer(p.ec2.RevokeSecurityGroupEgress(p.ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: everything(ipv4)}))(t)
	_, err := p.ec2.RevokeSecurityGroupEgress(p.ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: id, IpPermissions: everything(ipv6)})
	p.gone("InvalidPermission.NotFound", err) // which it takes for a group without IPv6
	read()
	https := []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(443), ToPort: aws.Int32(443), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/16"), Description: aws.String("TLS from VPC")}}}}
	answer(p.ec2.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: id, IpPermissions: https}))(t)
	answer(p.ec2.AuthorizeSecurityGroupEgress(p.ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: id, IpPermissions: everything(both)}))(t)
	g := read()
	equal(t, "ranges of the way out", len(g.IpPermissionsEgress[0].IpRanges)+len(g.IpPermissionsEgress[0].Ipv6Ranges), 2)
	equal(t, "ports of the way out", g.IpPermissionsEgress[0].FromPort, nil) // the provider takes that for 0
	// changed: a rule goes, and one comes
	answer(p.ec2.RevokeSecurityGroupIngress(p.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: id, IpPermissions: https}))(t)
	https[0].UserIdGroupPairs, https[0].IpRanges = []types.UserIdGroupPair{{GroupId: id}}, nil // self
	answer(p.ec2.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: id, IpPermissions: https}))(t)
	p.retag(*id)
	equal(t, "self", *read().IpPermissions[0].UserIdGroupPairs[0].GroupId, *id)

	p.rule(*id)
	p.ingressRule(*id)

	p.noLingering("group-id", *id)
	answer(p.ec2.DeleteSecurityGroup(p.ctx, &ec2.DeleteSecurityGroupInput{GroupId: id}))(t)
	_, err = p.ec2.DescribeSecurityGroups(p.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{*id}})
	p.gone("InvalidGroup.NotFound", err)
	p.deleteVPC(vpc)
}

// rule is aws_security_group_rule: ICMP from anywhere.
func (p *terraform) rule(group string) {
	p.Helper()
	permission := func(description string) []types.IpPermission {
		return []types.IpPermission{{IpProtocol: aws.String("icmp"), FromPort: aws.Int32(8), ToPort: aws.Int32(0), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/8"), Description: &description}}}}
	}
	read := func() *string {
		p.Helper()
		for _, g := range answer(p.ec2.DescribeSecurityGroups(p.ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{group}}))(p).SecurityGroups {
			for _, i := range g.IpPermissions {
				if *i.IpProtocol == "icmp" && *i.FromPort == 8 && *i.ToPort == 0 {
					return i.IpRanges[0].Description
				}
			}
		}
		return nil
	}
	made := answer(p.ec2.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permission("ping")}))(p)
	equal(p, "rules", len(made.SecurityGroupRules), 1)
	equal(p, "description", *read(), "ping")
	answer(p.ec2.UpdateSecurityGroupRuleDescriptionsIngress(p.ctx, &ec2.UpdateSecurityGroupRuleDescriptionsIngressInput{GroupId: &group, IpPermissions: permission("echo")}))(p)
	equal(p, "description", *read(), "echo")
	answer(p.ec2.RevokeSecurityGroupIngress(p.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permission("echo")}))(p)
	equal(p, "the rule", read(), nil)
}

// ingressRule is aws_vpc_security_group_ingress_rule and, with the other direction, its like for egress.
func (p *terraform) ingressRule(group string) {
	p.Helper()
	for _, egress := range []bool{false, true} {
		permission := []types.IpPermission{{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(80), ToPort: aws.Int32(80), IpRanges: []types.IpRange{{CidrIp: aws.String("10.0.0.0/8")}}}}
		var made []types.SecurityGroupRule
		if egress {
			made = answer(p.ec2.AuthorizeSecurityGroupEgress(p.ctx, &ec2.AuthorizeSecurityGroupEgressInput{GroupId: &group, IpPermissions: permission, TagSpecifications: named("security-group-rule", "main")}))(p).SecurityGroupRules
		} else {
			made = answer(p.ec2.AuthorizeSecurityGroupIngress(p.ctx, &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &group, IpPermissions: permission, TagSpecifications: named("security-group-rule", "main")}))(p).SecurityGroupRules
		}
		id := *made[0].SecurityGroupRuleId
		read := func() (types.SecurityGroupRule, error) {
			out, err := p.ec2.DescribeSecurityGroupRules(p.ctx, &ec2.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{id}})
			if err != nil {
				return types.SecurityGroupRule{}, err
			}
			return out.SecurityGroupRules[0], nil
		}
		equal(p, "direction", *answer(read())(p).IsEgress, egress)
		answer(p.ec2.ModifySecurityGroupRules(p.ctx, &ec2.ModifySecurityGroupRulesInput{GroupId: &group, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
			SecurityGroupRuleId: &id, SecurityGroupRule: &types.SecurityGroupRuleRequest{IpProtocol: aws.String("tcp"), FromPort: aws.Int32(8080), ToPort: aws.Int32(8080), CidrIpv4: aws.String("10.0.0.0/8"), Description: aws.String("http")},
		}}}))(p)
		p.retag(id)
		got := answer(read())(p)
		equal(p, "modified", *got.FromPort, 8080)
		equal(p, "tag", *got.Tags[0].Key, "Stage")
		if egress {
			answer(p.ec2.RevokeSecurityGroupEgress(p.ctx, &ec2.RevokeSecurityGroupEgressInput{GroupId: &group, SecurityGroupRuleIds: []string{id}}))(p)
		} else {
			answer(p.ec2.RevokeSecurityGroupIngress(p.ctx, &ec2.RevokeSecurityGroupIngressInput{GroupId: &group, SecurityGroupRuleIds: []string{id}}))(p)
		}
		_, err := read()
		p.gone("InvalidSecurityGroupRuleId.NotFound", err)
	}
}

func (p *terraform) readRole(name string) iamtypes.Role {
	p.Helper()
	role := answer(p.iam.GetRole(p.ctx, &awsiam.GetRoleInput{RoleName: &name}))(p).Role
	for _, policy := range answer(p.iam.ListRolePolicies(p.ctx, &awsiam.ListRolePoliciesInput{RoleName: &name}))(p).PolicyNames {
		answer(p.iam.GetRolePolicy(p.ctx, &awsiam.GetRolePolicyInput{RoleName: &name, PolicyName: &policy}))(p)
	}
	answer(p.iam.ListAttachedRolePolicies(p.ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: &name}))(p)
	return *role
}

// attach is aws_iam_role_policy_attachment.
func (p *terraform) attach(role, arn string) {
	p.Helper()
	answer(p.iam.AttachRolePolicy(p.ctx, &awsiam.AttachRolePolicyInput{RoleName: &role, PolicyArn: &arn}))(p)
	for _, a := range answer(p.iam.ListAttachedRolePolicies(p.ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: &role}))(p).AttachedPolicies {
		if *a.PolicyArn == arn {
			return
		}
	}
	p.Errorf("%s is not attached", arn)
}

func TestTerraformRole(t *testing.T) {
	p := newTerraform(t)
	name, trust := aws.String("execution"), iam.LambdaTrust
	answer(p.iam.CreateRole(p.ctx, &awsiam.CreateRoleInput{
		RoleName: name, Path: aws.String("/"), AssumeRolePolicyDocument: &trust, MaxSessionDuration: aws.Int32(3600), Tags: []iamtypes.Tag{{Key: aws.String("Name"), Value: aws.String("main")}},
	}))(t)
	p.readRole(*name)

	// aws_iam_role_policy
	inline := `{"Version":"2012-10-17","Statement":[{"Action":["ec2:Describe*"],"Effect":"Allow","Resource":"*"}]}`
	put := func() {
		answer(p.iam.PutRolePolicy(p.ctx, &awsiam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("inline"), PolicyDocument: &inline}))(t)
		answer(p.iam.GetRolePolicy(p.ctx, &awsiam.GetRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")}))(t)
	}
	put()

	// aws_iam_policy
	arn := answer(p.iam.CreatePolicy(p.ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("own"), Path: aws.String("/"), Description: aws.String(""), PolicyDocument: &inline}))(t).Policy.Arn
	readPolicy := func() string {
		t.Helper()
		policy := answer(p.iam.GetPolicy(p.ctx, &awsiam.GetPolicyInput{PolicyArn: arn}))(t).Policy
		v := answer(p.iam.GetPolicyVersion(p.ctx, &awsiam.GetPolicyVersionInput{PolicyArn: arn, VersionId: policy.DefaultVersionId}))(t).PolicyVersion
		return decoded(t, v.Document)
	}
	equal(t, "document", readPolicy(), inline)

	for _, policy := range []string{*arn, "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole", "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"} {
		p.attach(*name, policy)
	}

	// changed
	trust = `{"Version":"2012-10-17","Statement":[{"Action":"sts:AssumeRole","Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com","edgelambda.amazonaws.com"]}}]}`
	answer(p.iam.UpdateAssumeRolePolicy(p.ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: &trust}))(t)
	answer(p.iam.UpdateRoleDescription(p.ctx, &awsiam.UpdateRoleDescriptionInput{RoleName: name, Description: aws.String("of functions")}))(t)
	answer(p.iam.UpdateRole(p.ctx, &awsiam.UpdateRoleInput{RoleName: name, MaxSessionDuration: aws.Int32(7200)}))(t)
	answer(p.iam.PutRolePermissionsBoundary(p.ctx, &awsiam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/PowerUserAccess")}))(t)
	answer(p.iam.UntagRole(p.ctx, &awsiam.UntagRoleInput{RoleName: name, TagKeys: []string{"Name"}}))(t)
	answer(p.iam.TagRole(p.ctx, &awsiam.TagRoleInput{RoleName: name, Tags: []iamtypes.Tag{{Key: aws.String("Stage"), Value: aws.String("dev")}}}))(t)
	role := p.readRole(*name)
	equal(t, "role", *role.Description+" "+*role.Tags[0].Key+" "+decoded(t, role.AssumeRolePolicyDocument), "of functions Stage "+trust)
	answer(p.iam.DeleteRolePermissionsBoundary(p.ctx, &awsiam.DeleteRolePermissionsBoundaryInput{RoleName: name}))(t)
	equal(t, "boundary", p.readRole(*name).PermissionsBoundary, nil)
	inline = `{"Version":"2012-10-17","Statement":[{"Action":["s3:*"],"Effect":"Allow","Resource":"*"}]}`
	put()
	for range 6 { // a policy keeps five documents: the oldest goes first
		versions := answer(p.iam.ListPolicyVersions(p.ctx, &awsiam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions
		if len(versions) == 5 {
			answer(p.iam.DeletePolicyVersion(p.ctx, &awsiam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: versions[4].VersionId}))(t)
		}
		v := answer(p.iam.CreatePolicyVersion(p.ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: &inline}))(t).PolicyVersion
		answer(p.iam.SetDefaultPolicyVersion(p.ctx, &awsiam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId}))(t)
		equal(t, "document", readPolicy(), inline)
	}

	// destroyed
	for _, a := range answer(p.iam.ListAttachedRolePolicies(p.ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: name}))(t).AttachedPolicies {
		answer(p.iam.DetachRolePolicy(p.ctx, &awsiam.DetachRolePolicyInput{RoleName: name, PolicyArn: a.PolicyArn}))(t)
	}
	for _, v := range answer(p.iam.ListPolicyVersions(p.ctx, &awsiam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions {
		if !v.IsDefaultVersion {
			answer(p.iam.DeletePolicyVersion(p.ctx, &awsiam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId}))(t)
		}
	}
	answer(p.iam.DeletePolicy(p.ctx, &awsiam.DeletePolicyInput{PolicyArn: arn}))(t)
	_, err := p.iam.GetPolicy(p.ctx, &awsiam.GetPolicyInput{PolicyArn: arn})
	p.gone("NoSuchEntity", err)
	answer(p.iam.DeleteRolePolicy(p.ctx, &awsiam.DeleteRolePolicyInput{RoleName: name, PolicyName: aws.String("inline")}))(t)
	equal(t, "profiles", len(answer(p.iam.ListInstanceProfilesForRole(p.ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: name}))(t).InstanceProfiles), 0)
	answer(p.iam.DeleteRole(p.ctx, &awsiam.DeleteRoleInput{RoleName: name}))(t)
	_, err = p.iam.GetRole(p.ctx, &awsiam.GetRoleInput{RoleName: name})
	p.gone("NoSuchEntity", err)
}
