package api

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"enilab/internal/iam"
	"enilab/internal/wire"
	"enilab/internal/wire/stsapi"
)

// authorize asks the policies of a role about each resource that a request in its session names. Who has other credentials is
// the lab's owner, or has its key, and may do everything.
func (c Config) authorize(r *wire.Request, in any) error {
	session, ok, err := c.session(r)
	if err != nil || !ok {
		return err
	}
	if r.Service == "sts" && r.Operation == "GetCallerIdentity" {
		return nil // "No permissions are required to perform this operation", and none can forbid it
	}
	if assume, ok := in.(*stsapi.AssumeRoleRequest); ok && c.IAM.Invites(assumption(assume, session.ARN(r.Account))) {
		return nil
	}
	ask := func(action, resource string) error {
		err := message(c.IAM.Authorize(session, action, resource))
		if err == nil || r.Service != "ec2" {
			return err
		}
		return fmt.Errorf("You are not authorized to perform this operation. %s", strings.Replace(err.Error(), " on resource: *", "", 1)) //nolint:revive,staticcheck // EC2's sentence
	}
	for _, resource := range c.resources(r, in) {
		if err := ask(actionOf(r.Service, r.Operation), resource); err != nil {
			return err
		}
	}
	if role := passedRole(r, in); role != "" {
		return ask("iam:PassRole", role)
	}
	return nil
}

// session is the role's session that a request is signed for; false if it is signed with credentials of another kind. Those from
// elsewhere are as good as any: the server has looked whether they have to be the lab's.
func (c Config) session(r *wire.Request) (x iam.Session, ok bool, err error) {
	if r.SessionToken == "" || !c.IAM.Issued(r.AccessKey, r.SessionToken) {
		return x, false, nil
	}
	x, err = c.IAM.SessionOf(r.AccessKey, r.SessionToken)
	if refused := new(iam.Error); errors.As(err, &refused) {
		err = wire.ErrUnknownToken
		if refused.Code == iam.ExpiredToken {
			err = wire.ErrExpiredToken
		}
	}
	return x, err == nil, err
}

// message is what an error says to clients.
func message(err error) error {
	if e := (*iam.Error)(nil); errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}

// actionOf is what policies call an operation.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
func actionOf(service, operation string) string {
	if service == "lambda" {
		switch operation {
		case "Invoke", "InvokeWithResponseStream":
			operation = "InvokeFunction"
		case "GetLayerVersionByArn":
			operation = "GetLayerVersion"
		}
	}
	return service + ":" + operation
}

// passedRole is the role that a request has Lambda assume, for which its sender needs iam:PassRole.
// https://docs.aws.amazon.com/lambda/latest/dg/permissions-user-function.html
func passedRole(r *wire.Request, in any) string {
	if r.Service != "lambda" {
		return ""
	}
	return member(in, "Role")
}

// resources are those that a request names, as policies name them; "*" if it names none, as lists do.
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
func (c Config) resources(r *wire.Request, in any) (list []string) {
	arn := func(service, region, rest string) string {
		return "arn:aws:" + service + ":" + region + ":" + r.Account + ":" + rest
	}
	named := func(name string, write func(value string) string) {
		if v := member(in, name); v != "" {
			list = append(list, write(v))
		}
	}
	asItIs := func(arn string) string { return arn }
	switch r.Service {
	case "lambda":
		named("FunctionName", func(name string) string {
			ref, err := c.Lambda.Ref(name, member(in, "Qualifier"))
			if err != nil { // which the operation will say
				return name
			}
			return arn("lambda", c.Region, "function:"+ref.String())
		})
		named("LayerName", func(name string) string {
			layer := name
			if !strings.HasPrefix(name, "arn:") {
				layer = arn("lambda", c.Region, "layer:"+name)
			}
			if v := member(in, "VersionNumber"); v != "" {
				layer += ":" + v
			}
			return layer
		})
		named("Resource", asItIs)
		named("Arn", asItIs)
	case "iam", "sts":
		named("RoleName", func(name string) string { return arn("iam", "", "role/"+name) })
		named("RoleArn", asItIs)
		named("PolicyArn", asItIs)
		if r.Operation == "AttachRolePolicy" || r.Operation == "DetachRolePolicy" {
			list = list[:min(len(list), 1)] // the policy is a condition there, no resource
		}
	case "ec2":
		if kind := madeByEC2[r.Operation]; kind != "" {
			list = append(list, arn("ec2", c.Region, kind+"/*"))
		}
		for _, kind := range []struct{ member, path string }{
			{"VpcId", "vpc"}, {"SubnetId", "subnet"}, {"GroupId", "security-group"}, {"NetworkInterfaceId", "network-interface"},
		} {
			named(kind.member, func(id string) string { return arn("ec2", c.Region, kind.path+"/"+id) })
		}
	}
	if len(list) == 0 {
		return []string{"*"}
	}
	return list
}

// madeByEC2 is what operations make, which has no id yet when they are asked for.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
var madeByEC2 = map[string]string{
	"CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateSecurityGroup": "security-group", "CreateNetworkInterface": "network-interface",
}

// member is a member of an operation's input as text; empty if there is none.
func member(in any, name string) string {
	v := reflect.ValueOf(in).Elem().FieldByName(name)
	if v.IsValid() && v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch {
	case !v.IsValid():
		return ""
	case v.Kind() == reflect.String:
		return v.String()
	case v.CanInt():
		return fmt.Sprint(v.Int())
	}
	return ""
}
