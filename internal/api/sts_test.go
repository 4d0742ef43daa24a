package api

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"enilab/internal/iam"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

func TestGetCallerIdentity(t *testing.T) {
	r := newRegion(t)
	who := answer(sts.NewFromConfig(r.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	equal(t, "user", *who.Account+" "+*who.Arn+" "+*who.UserId, "123456789012 arn:aws:iam::123456789012:user/AKIAEXAMPLE AIDAEXAMPLE")
	r.Config.Credentials = aws.AnonymousCredentials{}
	who = answer(sts.NewFromConfig(r.Config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
	equal(t, "root", *who.Arn+" "+*who.UserId, "arn:aws:iam::123456789012:root 123456789012")
}

// Temporary credentials of a role are its session, whoever uses them.
func TestAssumeRole(t *testing.T) {
	r := newRegion(t)
	ctx, c := t.Context(), sts.NewFromConfig(r.Config)
	trust := `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"sts:AssumeRole"}]}`
	role := answer(awsiam.NewFromConfig(r.Config).CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("deployer"), AssumeRolePolicyDocument: &trust}))(t).Role
	made := answer(c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("ci"), SourceIdentity: aws.String("me")}))(t)
	equal(t, "session", *made.AssumedRoleUser.Arn+" "+*made.AssumedRoleUser.AssumedRoleId, "arn:aws:sts::123456789012:assumed-role/deployer/ci "+*role.RoleId+":ci")
	equal(t, "source", *made.SourceIdentity, "me")

	admin := r.Config
	r.Config.Credentials = credentials.NewStaticCredentialsProvider(*made.Credentials.AccessKeyId, *made.Credentials.SecretAccessKey, *made.Credentials.SessionToken)
	in := sts.NewFromConfig(r.Config)
	who := answer(in.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	equal(t, "caller", *who.Arn+" "+*who.UserId, *made.AssumedRoleUser.Arn+" "+*made.AssumedRoleUser.AssumedRoleId)
	answer(awsiam.NewFromConfig(admin).PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("deployer"), PolicyName: aws.String("own"), PolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:GetUser","Resource":"*"}]}`)}))(t)
	refused(awsiam.NewFromConfig(r.Config).GetUser(ctx, &awsiam.GetUserInput{}))(t, "ValidationError")
	presigned := answer(sts.NewPresignClient(in).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	got := answer(http.Get(presigned.URL))(t) //nolint:noctx // a test
	defer got.Body.Close()
	if text := answer(io.ReadAll(got.Body))(t); !strings.Contains(string(text), *made.AssumedRoleUser.Arn) {
		t.Errorf("a presigned request's caller: %s", text)
	}
	refused(in.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: role.Arn, RoleSessionName: aws.String("again")}))(t, "AccessDenied")

	r.Config.Credentials = credentials.NewStaticCredentialsProvider("ASIAFROMELSEWHERE000", "secret", "token")
	who = answer(sts.NewFromConfig(r.Config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}))(t)
	equal(t, "from elsewhere", *who.Arn, "arn:aws:iam::123456789012:user/ASIAFROMELSEWHERE000")
	lambdaOnly := answer(awsiam.NewFromConfig(r.Config).CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("f"), AssumeRolePolicyDocument: aws.String(iam.LambdaTrust)}))(t).Role
	refused(c.AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: lambdaOnly.Arn, RoleSessionName: aws.String("ci")}))(t, "AccessDenied")
}

// A session's credentials may what its role's policies say, wherever they are used, and what its own say besides.
func TestSessionsMayWhatTheirRolesMay(t *testing.T) {
	r := newRegion(t)
	ctx, c, roles := t.Context(), sts.NewFromConfig(r.Config), awsiam.NewFromConfig(r.Config)
	role := func(name, trust string) *string {
		t.Helper()
		return answer(roles.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Statement":[{"Effect":"Allow","Principal":{"AWS":` + trust + `},"Action":"sts:AssumeRole"}]}`)}))(t).Role.Arn
	}
	deployer := role("deployer", `"123456789012"`)
	named, account := role("named", `"arn:aws:iam::123456789012:role/deployer"`), role("account", `"123456789012"`)
	own := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:Describe*","iam:GetRole"],"Resource":"*"}]}`)
	answer(roles.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: aws.String("deployer"), PolicyName: aws.String("own"), PolicyDocument: own}))(t)

	as := func(in *sts.AssumeRoleInput) (aws.Config, *sts.AssumeRoleOutput) {
		t.Helper()
		in.RoleArn, in.RoleSessionName = deployer, aws.String("ci")
		made := answer(c.AssumeRole(ctx, in))(t)
		config := r.Config
		config.Credentials = credentials.NewStaticCredentialsProvider(*made.Credentials.AccessKeyId, *made.Credentials.SecretAccessKey, *made.Credentials.SessionToken)
		return config, made
	}
	const me = "User: arn:aws:sts::123456789012:assumed-role/deployer/ci is not authorized to perform: "
	try := func(config aws.Config) map[string]error {
		errs := map[string]error{}
		_, errs["ec2:DescribeVpcs"] = ec2.NewFromConfig(config).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
		_, errs["ec2:CreateVpc"] = ec2.NewFromConfig(config).CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String("10.0.0.0/16")})
		_, errs["iam:GetRole"] = awsiam.NewFromConfig(config).GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("named")})
		_, errs["iam:ListRoles"] = awsiam.NewFromConfig(config).ListRoles(ctx, &awsiam.ListRolesInput{})
		_, errs["sts:GetCallerIdentity"] = sts.NewFromConfig(config).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		return errs
	}
	narrow := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}`)
	readOnly := []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")}}
	for name, session := range map[string]struct {
		in     sts.AssumeRoleInput
		denied map[string]string // why
	}{
		"the role's": {sts.AssumeRoleInput{}, map[string]string{
			"ec2:CreateVpc": "no identity-based policy allows the ec2:CreateVpc action", "iam:ListRoles": me + "iam:ListRoles on resource: * because no identity-based policy allows the iam:ListRoles action",
		}},
		"narrowed by a policy": {sts.AssumeRoleInput{Policy: narrow}, map[string]string{
			"ec2:CreateVpc": "no identity-based policy allows", "iam:ListRoles": "with an explicit deny in a session policy", "iam:GetRole": "with an explicit deny in a session policy",
		}},
		"narrowed by a managed policy": {sts.AssumeRoleInput{PolicyArns: readOnly}, map[string]string{
			"ec2:DescribeVpcs": "no session policy allows the ec2:DescribeVpcs action", "ec2:CreateVpc": "no session policy allows", "iam:GetRole": "no session policy allows", "iam:ListRoles": "no session policy allows",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			config, made := as(&session.in)
			if size := made.PackedPolicySize; (size == nil) != (len(session.in.PolicyArns) == 0 && session.in.Policy == nil) { //nolint:staticcheck // clients read it still
				t.Errorf("packed policy size %v", size)
			}
			for action, err := range try(config) {
				why := session.denied[action]
				switch refusal := smithy.APIError(nil); {
				case why == "" && err != nil:
					t.Errorf("%s: %v", action, err)
				case why != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.ErrorMessage(), why) || refusal.ErrorCode() != map[bool]string{true: "UnauthorizedOperation", false: "AccessDenied"}[action[:4] == "ec2:"]):
					t.Errorf("%s: %v, want %s", action, err, why)
				}
			}
		})
	}
	for name, in := range map[string]*sts.AssumeRoleInput{
		"MalformedPolicyDocument": {Policy: aws.String(`{"Statement":[]}`)},
		"ValidationError":         {PolicyArns: []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::123456789012:policy/none")}}},
		"PackedPolicyTooLarge":    {Policy: aws.String(*narrow + strings.Repeat(" ", 2000))},
	} {
		in.RoleArn, in.RoleSessionName = deployer, aws.String("ci")
		refused(c.AssumeRole(ctx, in))(t, name)
	}

	// Who is named by a trust policy needs no policy of its own; who is one of the account does.
	config, _ := as(&sts.AssumeRoleInput{})
	answer(sts.NewFromConfig(config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: named, RoleSessionName: aws.String("chained")}))(t)
	refused(sts.NewFromConfig(config).AssumeRole(ctx, &sts.AssumeRoleInput{RoleArn: account, RoleSessionName: aws.String("chained")}))(t, "AccessDenied")

	// Credentials of a role that is gone are nobody's, not those of somebody from elsewhere.
	answer(roles.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: aws.String("deployer"), PolicyName: aws.String("own")}))(t)
	answer(roles.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("deployer")}))(t)
	refused(awsiam.NewFromConfig(config).ListRoles(ctx, &awsiam.ListRolesInput{}))(t, "InvalidClientTokenId")
	refused(ec2.NewFromConfig(config).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{}))(t, "AuthFailure")
}
