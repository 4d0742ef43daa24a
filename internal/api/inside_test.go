package api

import (
	"fmt"
	"strings"
	"testing"

	"enilab/internal/iam"
	"enilab/internal/lambda"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// insideCaller is a function that asks AWS's API what its event says, at the endpoint and with the credentials that it finds. The
// event is a JSON string: [as KEY SECRET TOKEN] SERVICE METHOD PATH [curl's arguments]. The answer is the API's, and its status.
const insideCaller = `handler() {
  local key=$AWS_ACCESS_KEY_ID secret=$AWS_SECRET_ACCESS_KEY token=$AWS_SESSION_TOKEN
  set -- ${1//\"/}
  case $1 in
    as) key=$2 secret=$3 token=$4; shift 4 ;;
    reach) REPLY=$(curl -sS --max-time 1 "$2" 2>&1) || true; return 0 ;;
    create) set -- lambda POST /2015-03-31/functions/ -d "{\"FunctionName\":\"new\",\"Role\":\"$2\",\"Code\":{\"S3Key\":\"k\"}}" ;;
    hold) for i in {1..100}; do exec {fd}<> /dev/tcp/127.0.0.1/9002; done; REPLY=held; return 0 ;;
    credentials) REPLY="as $key $secret $token"; return 0 ;;
  esac
  REPLY=$(curl -sS -w ' %{http_code}' -X "$2" --aws-sigv4 "aws:amz:$AWS_REGION:$1" --user "$key:$secret" -H "X-Amz-Security-Token: $token" "${@:4}" "$AWS_ENDPOINT_URL$3" 2>&1) || true
}`

// calling makes such a function, with a role of its own that may do what the statements say.
func (f *functions) calling(name, statements string, variables map[string]string) {
	f.Helper()
	role := f.newRole("role-of-"+name, iam.LambdaTrust, "")
	policy := `{"Version":"2012-10-17","Statement":[` + statements + `]}`
	answer(awsiam.NewFromConfig(f.Config).PutRolePolicy(f.Context(), &awsiam.PutRolePolicyInput{RoleName: aws.String("role-of-" + name), PolicyName: aws.String("own"), PolicyDocument: &policy}))(f)
	in := f.input(name)
	in.Role, in.Code.ZipFile, in.Environment = &role, script(f, insideCaller), &types.Environment{Variables: variables}
	answer(f.lambda.CreateFunction(f.Context(), in))(f)
	f.active(name)
}

// ask has a function ask.
func (f *functions) ask(name, question string) string {
	f.Helper()
	out := answer(f.lambda.Invoke(f.Context(), &awslambda.InvokeInput{FunctionName: &name, Payload: []byte(`"` + question + `"`)}))(f)
	if out.FunctionError != nil {
		f.Fatalf("%s: %s", name, out.Payload)
	}
	return string(out.Payload)
}

// Functions use the API with their role's credentials: as far as its policies go, at an endpoint that is theirs alone.
func TestInside(t *testing.T) {
	f := newFunctions(t)
	const other = "arn:aws:lambda:us-east-1:123456789012:function:other"
	f.calling("me", `{"Effect":"Allow","Action":"lambda:ListFunctions","Resource":"*"},
		{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"`+other+`"},
		{"Effect":"Allow","Action":"lambda:CreateFunction","Resource":"*"}`, nil)
	f.calling("other", `{"Effect":"Allow","Action":"*","Resource":"*"}`, nil)
	const (
		me        = "User: arn:aws:sts::123456789012:assumed-role/role-of-me/me is not authorized to perform: "
		form      = " -H Content-Type:application/x-www-form-urlencoded"
		functions = "/2015-03-31/functions/"
	)
	denied := func(action, resource string) string {
		return me + action + " on resource: " + resource + " because no identity-based policy allows the " + action + " action"
	}
	for _, q := range []struct{ question, status, says string }{
		{"lambda GET " + functions, "200", `"FunctionName":"other"`},
		{"lambda POST " + functions + "other/invocations -d 1", "200", ""},
		{"sts POST / -d Action=GetCallerIdentity" + form, "200", "<Arn>arn:aws:sts::123456789012:assumed-role/role-of-me/me</Arn>"},
		{"lambda POST " + functions + "me/invocations -d 1", "403", denied("lambda:InvokeFunction", "arn:aws:lambda:us-east-1:123456789012:function:me")},
		{"lambda GET " + functions + "other", "403", denied("lambda:GetFunction", other)},
		{"iam POST / -d Action=ListRoles" + form, "403", denied("iam:ListRoles", "*")},
		{"iam POST / -d Action=GetRole&RoleName=role-of-me" + form, "403", denied("iam:GetRole", "arn:aws:iam::123456789012:role/role-of-me")},
		{"ec2 POST / -d Action=DescribeVpcs" + form, "403", "<Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. " + me + "ec2:DescribeVpcs because no identity-based policy allows the ec2:DescribeVpcs action"},
		{"ec2 POST / -d Action=CreateVpc&CidrBlock=10.0.0.0/16" + form, "403", denied("ec2:CreateVpc", "arn:aws:ec2:us-east-1:123456789012:vpc/*")},
		{"create arn:aws:iam::123456789012:role/role-of-other", "403", denied("iam:PassRole", "arn:aws:iam::123456789012:role/role-of-other")},
	} {
		if got := f.ask("me", q.question); !strings.HasSuffix(got, " "+q.status) || !strings.Contains(got, q.says) {
			t.Errorf("%s: %s; want %s with %q", q.question, got, q.status, q.says)
		}
	}

	// Nobody else's credentials are good there, whatever they may do elsewhere, nor parts of one's own.
	stolen := f.ask("other", "credentials")
	own := strings.Fields(f.ask("me", "credentials"))
	for what, as := range map[string]string{
		"another's":      stolen,
		"no token":       fmt.Sprintf("as %s %s none", own[1], own[2]),
		"another secret": fmt.Sprintf("as %s wrong %s", own[1], own[3]),
		"invented":       "as AKIAEXAMPLE secret none",
	} {
		if got := f.ask("me", as+" lambda GET "+functions); !strings.HasSuffix(got, " 403") || strings.Contains(got, "FunctionName") {
			t.Errorf("%s credentials: %s", what, got)
		}
	}
	if got := f.ask("other", "as "+strings.Join(own[1:], " ")+" lambda GET "+functions); !strings.HasSuffix(got, " 403") {
		t.Errorf("my credentials at another's endpoint: %s", got)
	}

	// A neighbour does not get there.
	at := f.service.IdleEnvironments(lambda.FunctionRef{Name: "me"})
	if len(at) != 1 || !at[0].Address.IsValid() {
		t.Fatalf("%+v", at)
	}
	for _, host := range []string{at[0].Address.String(), "127.0.0.2"} {
		if got := f.ask("other", "reach http://"+host+":9002/"); !strings.HasPrefix(got, "curl: ") {
			t.Errorf("the endpoint of %s answers a neighbour: %s", host, got)
		}
	}

	// One that holds all the connections that it can get holds up itself alone.
	if got := f.ask("other", "hold"); got != "held" {
		t.Error(got)
	}
	if got := f.ask("me", "lambda GET "+functions); !strings.HasSuffix(got, " 200") {
		t.Errorf("beside a neighbour that holds connections: %s", got)
	}

	// A role that is gone takes its credentials with it, and what it may do is asked each time.
	roles := awsiam.NewFromConfig(f.Config)
	answer(roles.DeleteRolePolicy(t.Context(), &awsiam.DeleteRolePolicyInput{RoleName: aws.String("role-of-me"), PolicyName: aws.String("own")}))(t)
	if got := f.ask("me", "lambda GET "+functions); !strings.HasSuffix(got, " 403") || !strings.Contains(got, denied("lambda:ListFunctions", "*")) {
		t.Errorf("without its policy: %s", got)
	}
	answer(roles.DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("role-of-me")}))(t)
	if got := f.ask("me", "lambda GET "+functions); !strings.HasSuffix(got, " 403") || !strings.Contains(got, "The security token included in the request is invalid") {
		t.Errorf("without its role: %s", got)
	}
}

// What a function's configuration says of the endpoint counts.
func TestEndpointOfTheFunctionsOwn(t *testing.T) {
	f := newFunctions(t)
	f.calling("f", `{"Effect":"Allow","Action":"*","Resource":"*"}`, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
	if got := f.ask("f", "lambda GET /2015-03-31/functions/"); !strings.Contains(got, "127.0.0.1 port 1") {
		t.Error(got)
	}
}
