package daemon

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"time"

	"enilab/internal/lambda"
)

func (d *Daemon) functions() (list []object, err error) {
	for _, c := range d.lab.Lambda.ListFunctions() {
		spec := functionSpec{
			Code: c.CodeSha256, Handler: c.Handler, Runtime: c.Runtime, Role: c.Role, Memory: c.MemorySize, Timeout: writtenTime(c.Timeout),
			Layers: d.contents(c.Layers), layersSize: d.lab.Lambda.UnpackedLayers(c.Layers), Environment: c.Environment, Subnets: sorted(c.VpcConfig.SubnetIDs), SecurityGroups: sorted(c.VpcConfig.SecurityGroupIDs), Mode: c.Mode,
		}
		if c.State == lambda.Failed {
			spec.Code += " (" + string(c.StateReasonCode) + ")" // differs from all: it is made again
		}
		if spec.Concurrency, err = d.lab.Lambda.GetFunctionConcurrency(c.FunctionName); err != nil {
			return nil, err
		}
		list = append(list, object{"function", c.FunctionName, spec})
	}
	return list, nil
}

// createInput is what a topology asks of Lambda for a function.
func createInput(o object) (lambda.CreateFunctionInput, error) {
	s := o.Spec.(functionSpec)
	timeout, err := time.ParseDuration(s.Timeout)
	return lambda.CreateFunctionInput{
		FunctionName: o.Name, ZipFile: s.code.zip, StoreKey: s.code.key, Role: s.Role, Runtime: s.Runtime, Handler: s.Handler,
		Environment: s.Environment, MemorySize: s.Memory, Timeout: timeout, Mode: s.Mode,
		VpcConfig: lambda.VpcConfig{SubnetIDs: s.Subnets, SecurityGroupIDs: s.SecurityGroups},
	}, err
}

func (d *Daemon) createFunction(ctx context.Context, o object) error {
	in, err := createInput(o)
	if err != nil {
		return err
	}
	if in.Layers, err = d.layerARNs(o.Spec.(functionSpec).Layers); err != nil {
		return err
	}
	if _, err = d.lab.Lambda.CreateFunction(ctx, in); err != nil {
		return err
	}
	if err := d.reserve(o.Name, o.Spec.(functionSpec).Concurrency); err != nil {
		return err
	}
	return d.lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: o.Name})
}

// versions are those that were published of a function. Topologies know nothing of them.
func (d *Daemon) versions(function string) ([]lambda.FunctionConfiguration, error) {
	list, err := d.lab.Lambda.ListVersionsByFunction(function)
	if err != nil {
		return nil, gone(err)
	}
	return list[1:], nil // the first is what the function is
}

// freeConcurrency has those that are to reserve less do so before others reserve more.
func (d *Daemon) freeConcurrency(_ context.Context, steps []step) map[string]error {
	failed := map[string]error{}
	for _, s := range steps {
		if s.Action != Update {
			continue
		}
		old, now := s.from.Spec.(functionSpec).Concurrency, s.to.Spec.(functionSpec).Concurrency
		if old != nil && (now == nil || *now < *old) {
			if err := d.reserve(s.Name, now); err != nil {
				failed[s.Name] = err
			}
		}
	}
	return failed
}

func (d *Daemon) reserve(function string, n *int) error {
	if n == nil {
		return d.lab.Lambda.DeleteFunctionConcurrency(function)
	}
	return d.lab.Lambda.PutFunctionConcurrency(function, *n)
}

func (d *Daemon) changeFunction(ctx context.Context, from, to object) error {
	old, s := from.Spec.(functionSpec), to.Spec.(functionSpec)
	if err := d.settled(ctx, to.Name); err != nil {
		return err
	}
	changes := []func(context.Context, string, functionSpec, functionSpec) error{d.changeCode, d.changeConfiguration}
	if s.layersSize < old.layersSize { // the new code may have no room beside the old layers
		slices.Reverse(changes)
	}
	for _, change := range changes {
		if err := change(ctx, to.Name, old, s); err != nil {
			return err
		}
	}
	if reflect.DeepEqual(old.Concurrency, s.Concurrency) {
		return nil
	}
	return d.reserve(to.Name, s.Concurrency)
}

func (d *Daemon) changeCode(ctx context.Context, name string, old, s functionSpec) error {
	if old.Code == s.Code {
		return nil
	}
	if _, err := d.lab.Lambda.UpdateFunctionCode(ctx, lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: s.code.zip, StoreKey: s.code.key}); err != nil {
		return err
	}
	return d.lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: name})
}

func (d *Daemon) changeConfiguration(ctx context.Context, name string, old, s functionSpec) error {
	old.Code, old.Concurrency = s.Code, s.Concurrency
	if changes(old, s) == "" {
		return nil
	}
	timeout, err := time.ParseDuration(s.Timeout)
	if err != nil {
		return err
	}
	layers, err := d.layerARNs(s.Layers)
	if err != nil {
		return err
	}
	environment := s.Environment
	if environment == nil {
		environment = map[string]string{}
	}
	_, err = d.lab.Lambda.UpdateFunctionConfiguration(ctx, lambda.UpdateFunctionConfigurationInput{
		FunctionName: name, Role: &s.Role, Runtime: &s.Runtime, Handler: &s.Handler, Environment: environment, MemorySize: &s.Memory, Layers: &layers,
		Timeout: &timeout, Mode: &s.Mode, VpcConfig: &lambda.VpcConfig{SubnetIDs: s.Subnets, SecurityGroupIDs: s.SecurityGroups},
	})
	if err != nil {
		return err
	}
	return d.lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: name})
}

// settled waits for a change that is under way, however it ends.
func (d *Daemon) settled(ctx context.Context, function string) error {
	_ = d.lab.Lambda.WaitFunctionActive(ctx, lambda.FunctionRef{Name: function})
	return context.Cause(ctx)
}

func (d *Daemon) deleteFunction(_ context.Context, o object) error {
	return gone(d.lab.Lambda.DeleteFunction(lambda.FunctionRef{Name: o.Name}))
}

// gone takes for done what is not there any more.
func gone(err error) error {
	coded := interface {
		error
		Status() int
	}(nil)
	if errors.As(err, &coded) && coded.Status() == 404 {
		return nil
	}
	return err
}
