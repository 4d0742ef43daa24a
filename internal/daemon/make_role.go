package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"

	"enilab/internal/iam"
)

func (d *Daemon) roles() (list []object, err error) {
	for _, r := range d.iam.ListRoles("") {
		spec, err := d.role(r)
		if err != nil {
			return nil, err
		}
		list = append(list, object{"role", r.RoleName, spec})
	}
	return list, nil
}

func (d *Daemon) role(r iam.Role) (spec roleSpec, err error) {
	name := r.RoleName
	spec = roleSpec{Policies: []string{}, Trust: trustOf(r.AssumeRolePolicyDocument), Boundary: r.PermissionsBoundary, path: r.Path}
	attached, err := d.iam.ListAttachedRolePolicies(name)
	if err != nil {
		return spec, err
	}
	for _, p := range attached {
		spec.Policies = append(spec.Policies, p.ARN)
	}
	slices.Sort(spec.Policies)
	inline, err := d.iam.ListRolePolicies(name)
	if err != nil {
		return spec, err
	}
	for _, p := range inline {
		document, err := d.iam.GetRolePolicy(name, p)
		if err != nil {
			return spec, err
		}
		if spec.Inline == nil {
			spec.Inline = map[string]string{}
		}
		spec.Inline[p] = document
	}
	return spec, nil
}

// trustOf names who may assume a role, if that is Lambda alone as in a topology's roles; else it is the document's beginning.
func trustOf(document string) string {
	var is, should any
	err := errors.Join(json.Unmarshal([]byte(document), &is), json.Unmarshal([]byte(iam.LambdaTrust), &should))
	if err == nil && reflect.DeepEqual(is, should) {
		return "lambda.amazonaws.com"
	}
	var line bytes.Buffer
	if json.Compact(&line, []byte(document)) != nil {
		return beginning(document)
	}
	return beginning(line.String())
}

func (d *Daemon) createRole(_ context.Context, o object) error { return makeRole(d.iam, o) }

// makeRole makes a role with its policies.
func makeRole(in *iam.Service, o object) error {
	if _, err := in.CreateRole(iam.CreateRoleInput{RoleName: o.Name, AssumeRolePolicyDocument: iam.LambdaTrust, Declared: true}); err != nil {
		return err
	}
	return setRole(in, object{"role", o.Name, roleSpec{Trust: o.Spec.(roleSpec).Trust}}, o)
}

func (d *Daemon) changeRole(_ context.Context, from, to object) error {
	return setRole(d.iam, from, to)
}

// setRole gives a role the trust and the policies that it should have, and no boundary. What is too much goes first: both
// together may be more than a role can have. An empty trust stays what it is.
func setRole(in *iam.Service, from, to object) error {
	old, s := from.Spec.(roleSpec), to.Spec.(roleSpec)
	if s.Trust != "" && s.Trust != old.Trust {
		if err := in.UpdateAssumeRolePolicy(to.Name, iam.LambdaTrust); err != nil {
			return err
		}
	}
	if old.Boundary != "" {
		if err := in.DeleteRolePermissionsBoundary(to.Name); err != nil {
			return err
		}
	}
	for _, p := range old.Policies {
		if !slices.Contains(s.Policies, p) {
			if err := in.DetachRolePolicy(to.Name, p); err != nil {
				return err
			}
		}
	}
	for _, p := range s.Policies {
		if !slices.Contains(old.Policies, p) {
			if err := in.AttachRolePolicy(to.Name, p); err != nil {
				return err
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(old.Inline)) {
		if _, ok := s.Inline[p]; !ok {
			if err := in.DeleteRolePolicy(to.Name, p); err != nil {
				return err
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(s.Inline)) {
		if old.Inline[p] != s.Inline[p] {
			if err := in.PutRolePolicy(to.Name, p, s.Inline[p]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Daemon) deleteRole(ctx context.Context, o object) error {
	if err := d.changeRole(ctx, o, object{"role", o.Name, roleSpec{}}); err != nil {
		return gone(err)
	}
	return gone(d.iam.DeleteRole(o.Name))
}
