package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

func decoded(t *testing.T, document *string) string {
	t.Helper()
	return answer(url.PathUnescape(*document))(t) // PathUnescape: in IAM's encoding a plus is a plus
}

func TestRoles(t *testing.T) {
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	in := &awsiam.CreateRoleInput{
		RoleName: aws.String("f"), Path: aws.String("/lab/"), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust), Description: aws.String("a + b"),
		Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("x")}},
	}
	made := answer(c.CreateRole(ctx, in))(t).Role
	equal(t, "arn", *made.Arn, "arn:aws:iam::123456789012:role/lab/f")
	equal(t, "trust", decoded(t, made.AssumeRolePolicyDocument), iam.LambdaTrust)
	equal(t, "tag", *made.Tags[0].Key+*made.Tags[0].Value, "teamx")
	equal(t, "id", (*made.RoleId)[:4], "AROA")

	got := answer(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: in.RoleName}))(t).Role
	equal(t, "role", *got.RoleId+" "+*got.Path+" "+*got.Description, *made.RoleId+" /lab/ a + b")
	equal(t, "session", *got.MaxSessionDuration, 3600)
	equal(t, "created", *got.CreateDate, *made.CreateDate)

	for i := range 5 {
		answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String(fmt.Sprint("r", i)), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t)
	}
	var names string
	pages := awsiam.NewListRolesPaginator(c, &awsiam.ListRolesInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		for _, role := range answer(pages.NextPage(ctx))(t).Roles {
			names += *role.RoleName + " "
			equal(t, "tags of a list", len(role.Tags), 0)
			answer(c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role.RoleName}))(t) // as who cleans up does
		}
	}
	equal(t, "names", names, "f r0 r1 r2 r3 r4 ")
	equal(t, "none left", len(answer(c.ListRoles(ctx, &awsiam.ListRolesInput{PathPrefix: aws.String("/lab/")}))(t).Roles), 0)

	refused(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: in.RoleName}))(t, "NoSuchEntity")
	refused(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: in.RoleName, AssumeRolePolicyDocument: aws.String("{")}))(t, "MalformedPolicyDocument")
	refused(c.ListRoles(ctx, &awsiam.ListRolesInput{MaxItems: aws.Int32(1001)}))(t, "ValidationError")
	refused(c.ListRoles(ctx, &awsiam.ListRolesInput{Marker: aws.String("?")}))(t, "ValidationError")
	in.PermissionsBoundary = aws.String("arn:aws:iam::aws:policy/None")
	refused(c.CreateRole(ctx, in))(t, "NoSuchEntity")
	in.PermissionsBoundary, in.Tags = nil, append(in.Tags, types.Tag{Key: aws.String("TEAM"), Value: aws.String("y")})
	refused(c.CreateRole(ctx, in))(t, "InvalidInput")
}

func TestRolePolicies(t *testing.T) {
	const (
		document = `{"Version":"2012-10-17","Statement":[{"Sid":"a","Effect":"Allow","Action":"ec2:*",  "Resource":"*"}]}`
		access   = "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"
		basic    = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
	)
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	role, policy := aws.String("f"), aws.String("inline")
	answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t)

	answer(c.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: role, PolicyName: policy, PolicyDocument: aws.String(document)}))(t)
	got := answer(c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: role, PolicyName: policy}))(t)
	equal(t, "document", decoded(t, got.PolicyDocument), document)
	equal(t, "names", *got.RoleName+" "+*got.PolicyName, "f inline")
	equal(t, "inline", answer(c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: role}))(t).PolicyNames[0], "inline")
	refused(c.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role}))(t, "DeleteConflict")
	answer(c.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: role, PolicyName: policy}))(t)
	refused(c.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: role, PolicyName: policy}))(t, "NoSuchEntity")
	refused(c.ListRolePolicies(ctx, &awsiam.ListRolePoliciesInput{RoleName: aws.String("none")}))(t, "NoSuchEntity")

	for _, arn := range []string{access, basic} {
		answer(c.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: &arn}))(t)
	}
	first := answer(c.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: role, MaxItems: aws.Int32(1)}))(t)
	equal(t, "first", *first.AttachedPolicies[0].PolicyArn, basic)
	equal(t, "truncated", first.IsTruncated, true)
	second := answer(c.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: role, Marker: first.Marker}))(t)
	equal(t, "second", *second.AttachedPolicies[0].PolicyName, "AWSLambdaVPCAccessExecutionRole")
	equal(t, "complete", second.IsTruncated, false)
	p := answer(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: aws.String(access)}))(t).Policy
	equal(t, "policy", *p.PolicyName+" "+*p.Path+" "+*p.DefaultVersionId, "AWSLambdaVPCAccessExecutionRole /service-role/ v3")
	equal(t, "attachments", *p.AttachmentCount, 1)
	answer(c.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(access)}))(t)
	refused(c.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(access)}))(t, "NoSuchEntity")
	refused(c.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String("arn:aws:iam::aws:policy/None")}))(t, "NoSuchEntity")
	refused(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/NoSuchPolicy")}))(t, "NoSuchEntity")
}

func TestRolesAreChanged(t *testing.T) {
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	role, boundary := aws.String("f"), aws.String("arn:aws:iam::aws:policy/PowerUserAccess")
	answer(c.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: role, AssumeRolePolicyDocument: aws.String(iam.LambdaTrust), PermissionsBoundary: boundary}))(t)
	trust := strings.Replace(iam.LambdaTrust, "lambda", "ec2", 1)
	answer(c.UpdateAssumeRolePolicy(ctx, &awsiam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: &trust}))(t)
	answer(c.UpdateRole(ctx, &awsiam.UpdateRoleInput{RoleName: role, Description: aws.String("one"), MaxSessionDuration: aws.Int32(7200)}))(t)
	equal(t, "updated", *answer(c.UpdateRoleDescription(ctx, &awsiam.UpdateRoleDescriptionInput{RoleName: role, Description: aws.String("two")}))(t).Role.Description, "two")
	answer(c.TagRole(ctx, &awsiam.TagRoleInput{RoleName: role, Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}, {Key: aws.String("c"), Value: aws.String("d")}}}))(t)
	answer(c.UntagRole(ctx, &awsiam.UntagRoleInput{RoleName: role, TagKeys: []string{"a"}}))(t)
	tags := answer(c.ListRoleTags(ctx, &awsiam.ListRoleTagsInput{RoleName: role}))(t)
	equal(t, "tags", len(tags.Tags), 1)
	equal(t, "tag", *tags.Tags[0].Key+*tags.Tags[0].Value, "cd")
	got := answer(c.GetRole(ctx, &awsiam.GetRoleInput{RoleName: role}))(t).Role
	equal(t, "trust", decoded(t, got.AssumeRolePolicyDocument), trust)
	equal(t, "session", *got.MaxSessionDuration, 7200)
	equal(t, "boundary", *got.PermissionsBoundary.PermissionsBoundaryArn, *boundary)
	equal(t, "use of the boundary", *answer(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: boundary}))(t).Policy.PermissionsBoundaryUsageCount, 1)
	bounded := answer(c.ListEntitiesForPolicy(ctx, &awsiam.ListEntitiesForPolicyInput{PolicyArn: boundary}))(t)
	equal(t, "bounded", *bounded.PolicyRoles[0].RoleName, "f")
	equal(t, "attached", len(answer(c.ListEntitiesForPolicy(ctx, &awsiam.ListEntitiesForPolicyInput{PolicyArn: boundary, PolicyUsageFilter: types.PolicyUsageTypePermissionsPolicy}))(t).PolicyRoles), 0)
	answer(c.DeleteRolePermissionsBoundary(ctx, &awsiam.DeleteRolePermissionsBoundaryInput{RoleName: role}))(t)
	answer(c.PutRolePermissionsBoundary(ctx, &awsiam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: boundary}))(t)
	equal(t, "profiles", len(answer(c.ListInstanceProfilesForRole(ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: role}))(t).InstanceProfiles), 0)
	refused(c.ListInstanceProfilesForRole(ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: aws.String("none")}))(t, "NoSuchEntity")
}

func TestManagedPolicies(t *testing.T) {
	const first, second = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}`, `{"Statement":[{"Effect":"Allow","Action":"s3:*", "Resource":"*"}]}`
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	made := answer(c.CreatePolicy(ctx, &awsiam.CreatePolicyInput{
		PolicyName: aws.String("own"), Description: aws.String("mine"), PolicyDocument: aws.String(first), Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}},
	}))(t).Policy
	arn := made.Arn
	equal(t, "arn", *arn, "arn:aws:iam::123456789012:policy/own")
	v := answer(c.CreatePolicyVersion(ctx, &awsiam.CreatePolicyVersionInput{PolicyArn: arn, PolicyDocument: aws.String(second), SetAsDefault: true}))(t).PolicyVersion
	equal(t, "version", *v.VersionId, "v2")
	equal(t, "in force", v.IsDefaultVersion, true)
	answer(c.SetDefaultPolicyVersion(ctx, &awsiam.SetDefaultPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v1")}))(t)
	got := answer(c.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t).PolicyVersion
	equal(t, "document", decoded(t, got.Document), second)
	versions := answer(c.ListPolicyVersions(ctx, &awsiam.ListPolicyVersionsInput{PolicyArn: arn}))(t).Versions
	equal(t, "versions", *versions[0].VersionId+*versions[1].VersionId, "v2v1")
	p := answer(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: arn}))(t).Policy
	equal(t, "policy", *p.Description+*p.DefaultVersionId+*p.Tags[0].Key, "minev1a")
	answer(c.TagPolicy(ctx, &awsiam.TagPolicyInput{PolicyArn: arn, Tags: []types.Tag{{Key: aws.String("c"), Value: aws.String("d")}}}))(t)
	answer(c.UntagPolicy(ctx, &awsiam.UntagPolicyInput{PolicyArn: arn, TagKeys: []string{"a"}}))(t)
	equal(t, "tag", *answer(c.ListPolicyTags(ctx, &awsiam.ListPolicyTagsInput{PolicyArn: arn}))(t).Tags[0].Key, "c")

	local := answer(c.ListPolicies(ctx, &awsiam.ListPoliciesInput{Scope: types.PolicyScopeTypeLocal}))(t).Policies
	equal(t, "the account's", len(local), 1)
	count, pages := 0, awsiam.NewListPoliciesPaginator(c, &awsiam.ListPoliciesInput{MaxItems: aws.Int32(7)})
	for pages.HasMorePages() {
		count += len(answer(pages.NextPage(ctx))(t).Policies)
	}
	equal(t, "all", count > 30, true)
	equal(t, "attached", len(answer(c.ListPolicies(ctx, &awsiam.ListPoliciesInput{OnlyAttached: true}))(t).Policies), 0)
	equal(t, "under a path", len(answer(c.ListPolicies(ctx, &awsiam.ListPoliciesInput{PathPrefix: aws.String("/service-role/")}))(t).Policies), 10)
	refused(c.ListPolicies(ctx, &awsiam.ListPoliciesInput{Scope: "Mine"}))(t, "ValidationError")
	refused(c.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: arn}))(t, "DeleteConflict")
	answer(c.DeletePolicyVersion(ctx, &awsiam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: aws.String("v2")}))(t)
	answer(c.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: arn}))(t)
	refused(c.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: arn}))(t, "NoSuchEntity")
}

func TestTheCaller(t *testing.T) {
	r := newRegion(t)
	c, ctx := awsiam.NewFromConfig(r.Config), t.Context()
	u := answer(c.GetUser(ctx, &awsiam.GetUserInput{}))(t).User
	equal(t, "user", *u.UserName+" "+*u.Arn, "AKIAEXAMPLE arn:aws:iam::123456789012:user/AKIAEXAMPLE")
	answer(c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("AKIAEXAMPLE")}))(t)
	refused(c.GetUser(ctx, &awsiam.GetUserInput{UserName: aws.String("alice")}))(t, "NoSuchEntity")
	equal(t, "aliases", len(answer(c.ListAccountAliases(ctx, &awsiam.ListAccountAliasesInput{}))(t).AccountAliases), 0)
}
