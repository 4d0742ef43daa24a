package iam

import (
	"fmt"
	"strings"
	"testing"
)

// one is a policy of one statement.
func one(statement string) string {
	return `{"Version":"2012-10-17","Statement":{` + statement + `}}`
}

func TestAllowed(t *testing.T) {
	const create, describe = "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces"
	const all = `"Effect":"Allow","Action":"*","Resource":"*"`
	for _, tt := range []struct {
		name     string
		policies []string
		actions  []string
		missing  string // "" means that all is allowed
	}{
		{"nothing is allowed by itself", nil, []string{create}, "CreateNetworkInterface on EC2"},
		{"everything", []string{one(all)}, []string{create, describe}, ""},
		{"the managed policy's way", []string{managed()["arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole"].text()}, []string{create, describe, "ec2:DeleteNetworkInterface"}, ""},
		{"logs alone", []string{managed()["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"].text()}, []string{create, describe}, "CreateNetworkInterface, DescribeNetworkInterfaces on EC2"},
		{"wildcards", []string{one(`"Effect":"Allow","Action":["ec2:*NetworkInterface?"],"Resource":"*"`)}, []string{describe}, ""},
		{"? is one character", []string{one(`"Effect":"Allow","Action":["ec2:*NetworkInterface?"],"Resource":"*"`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"actions ignore case", []string{one(`"Effect":"Allow","Action":"EC2:createnetworkinterface","Resource":"*"`)}, []string{create}, ""},
		{"NotAction", []string{one(`"Effect":"Allow","NotAction":"ec2:Delete*","Resource":"*"`)}, []string{create, "ec2:DeleteNetworkInterface"}, "DeleteNetworkInterface on EC2"},
		{"a Deny wins", []string{one(all), one(`"Effect":"Deny","Action":"ec2:Create*","Resource":"*"`)}, []string{describe, create}, "CreateNetworkInterface on EC2"},
		{"whatever its order", []string{one(`"Effect":"Deny","Action":"ec2:Create*","Resource":"*"`), one(all)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"all interfaces", []string{one(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:123456789012:network-interface/*"`)}, []string{create}, ""},
		{"all of the account", []string{one(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:us-east-1:123456789012:*/*"`)}, []string{create}, ""},
		{"another account's", []string{one(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:999999999999:network-interface/*"`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"Describe needs *", []string{one(`"Effect":"Allow","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:network-interface/*"`)}, []string{describe}, "DescribeNetworkInterfaces on EC2"},
		{"one interface is not all", []string{one(all), one(`"Effect":"Deny","Action":"ec2:*","Resource":"arn:aws:ec2:*:*:network-interface/eni-1"`)}, []string{create}, ""},
		{"NotResource", []string{one(`"Effect":"Allow","Action":"ec2:*","NotResource":"arn:aws:ec2:*:*:network-interface/*"`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"a condition that holds", []string{one(all + `,"Condition":{"StringEquals":{"aws:RequestedRegion":["eu-1","us-east-1"]}}`)}, []string{create}, ""},
		{"one that does not", []string{one(all + `,"Condition":{"StringNotLike":{"aws:RequestedRegion":"us-east-*"}}`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"an unknown key allows nothing", []string{one(all + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"and denies", []string{one(all), one(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"an unknown operator allows nothing", []string{one(all + `,"Condition":{"IpAddress":{"aws:SourceAccount":"10.0.0.0/8"}}`)}, []string{create}, "CreateNetworkInterface on EC2"},
		{"unknown and false is false", []string{one(all), one(`"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:x":true},"StringEquals":{"aws:RequestedRegion":"eu-1"}}`)}, []string{create}, ""},
		// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-best-practice-security
		{"function code alone is denied", []string{one(all), one(`"Effect":"Deny","Action":"ec2:CreateNetworkInterface","Resource":"*","Condition":{"ArnEquals":{"lambda:SourceFunctionArn":["arn:aws:lambda:us-west-2:123456789012:function:my_function"]}}`)}, []string{create}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Config{})
			if _, err := s.CreateRole(CreateRoleInput{RoleName: "r", AssumeRolePolicyDocument: LambdaTrust}); err != nil {
				t.Fatal(err)
			}
			for i, p := range tt.policies {
				if err := s.PutRolePolicy("r", fmt.Sprint("p", i), p); err != nil {
					t.Fatal(err)
				}
			}
			err := s.Allowed("arn:aws:iam::123456789012:role/r", tt.actions...)
			if tt.missing == "" && err != nil || tt.missing != "" && (err == nil || !strings.HasSuffix(err.Error(), "permissions to call "+tt.missing)) {
				t.Errorf("got %v, want %q", err, tt.missing)
			}
		})
	}
}

func TestWhoMayAssume(t *testing.T) {
	for _, tt := range []struct {
		trust string
		ok    bool
	}{
		{LambdaTrust, true},
		{one(`"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com","lambda.amazonaws.com"]},"Action":["sts:AssumeRole","sts:TagSession"]`), true},
		{one(`"Effect":"Allow","Principal":"*","Action":"sts:*"`), true},
		{one(`"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"`), false},
		{one(`"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"`), false},
		{one(`"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:TagSession"`), false},
		{one(`"Effect":"Deny","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"`), false},
		{one(`"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}}`), true},
		{one(`"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"999999999999"}}`), false},
	} {
		s := New(Config{})
		r, err := s.CreateRole(CreateRoleInput{RoleName: "r", Path: "/a/", AssumeRolePolicyDocument: tt.trust})
		if err != nil {
			t.Errorf("%s: %v", tt.trust, err)
			continue
		}
		if err := s.RoleExists(r.ARN); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.trust, err)
		}
		if err := s.RoleExists("arn:aws:iam::123456789012:role/r"); err == nil {
			t.Errorf("%s: a role is found without its path", tt.trust)
		}
	}
}

// FuzzPolicy holds that no document brings the evaluator down, that a Deny of everything denies, and that what is
// accepted is accepted again when the next start reads it.
func FuzzPolicy(f *testing.F) {
	for arn := range managed() {
		f.Add(managed()[arn].text())
	}
	f.Add(LambdaTrust)
	f.Add(one(`"Effect":"Deny","NotAction":["a:b"],"NotResource":"arn:x","Condition":{"StringNotEqualsIfExists":{"aws:SourceAccount":[1,true,"x"]}}`))
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"Service":null},"Action":null}]}`)
	f.Fuzz(func(t *testing.T, source string) {
		s := New(Config{})
		deny, _ := parsePermissions(one(`"Effect":"Deny","Action":"*","Resource":"*"`))
		if d, err := parsePermissions(source); err == nil {
			s.request("ec2:CreateNetworkInterface").allowed(d)
			if s.request("ec2:CreateNetworkInterface").allowed(d, deny) {
				t.Error("allowed against a Deny of everything")
			}
		}
		if d, err := parseTrust(source); err == nil {
			s.request("sts:AssumeRole").allowed(d)
		}
	})
}
