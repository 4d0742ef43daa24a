package lambda

import (
	"cmp"
	"context"
	"maps"
)

// UpdateFunctionConfiguration changes settings. Invocations use the old ones until the new network is ready.
func (s *Service) UpdateFunctionConfiguration(_ context.Context, in UpdateFunctionConfigurationInput) (FunctionConfiguration, error) {
	var layers []FunctionLayer
	if in.Layers != nil {
		list, release, err := s.resolveLayers(*in.Layers)
		if err != nil {
			return FunctionConfiguration{}, err
		}
		defer release()
		layers = list
	}
	return s.update(in.FunctionName, update{revision: in.RevisionID}, func(next *FunctionConfiguration) (err error) {
		if in.VpcConfig != nil {
			if next.VpcConfig, err = s.resolve(*in.VpcConfig); err != nil {
				return err
			}
		}
		if in.Environment != nil {
			next.Environment = maps.Clone(in.Environment)
		}
		if in.Layers != nil {
			next.Layers = layers
			if err := s.checkLayers(in.FunctionName, layers); err != nil {
				return err
			}
		}
		set(&next.Role, in.Role)
		set(&next.Runtime, in.Runtime)
		set(&next.Description, in.Description)
		set(&next.Handler, in.Handler)
		set(&next.Mode, in.Mode)
		set(&next.MemorySize, in.MemorySize)
		set(&next.EphemeralStorage, in.EphemeralStorage)
		set(&next.Timeout, in.Timeout)
		set(&next.TracingMode, in.TracingMode)
		if next.LoggingConfig, err = next.LoggingConfig.change(in.LoggingConfig); err != nil {
			return err
		}
		return cmp.Or(next.check(), s.vet(*next))
	})
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// UpdateFunctionCode replaces the code; environments of the old one end when they are idle.
func (s *Service) UpdateFunctionCode(_ context.Context, in UpdateFunctionCodeInput) (FunctionConfiguration, error) {
	f, err := s.lookup(in.FunctionName)
	if err != nil {
		return FunctionConfiguration{}, err
	}
	code, err := s.putCode(f.name, in.ZipFile, in.StoreKey) // before the function is locked: it can take its time
	if err != nil {
		return FunctionConfiguration{}, err
	}
	defer s.discard(code) // who came to use it holds it
	return s.update(f.name, update{code, in.RevisionID, in.Publish, in.DryRun}, func(next *FunctionConfiguration) error {
		next.CodeSha256, next.CodeSize = code.CodeSha256(), code.Size
		next.Architecture = cmp.Or(in.Architecture, next.Architecture)
		return cmp.Or(next.check(), s.checkUnpacked(code, next.Layers))
	})
}

// update is how a function is to be changed.
type update struct {
	code     *archive // nil: as it is
	revision string   // that it must be at, unless empty
	publish  bool
	dry      bool
}

const staleRevision = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"

// update plans a change, records it and starts it. The function can be changed by nobody else meanwhile.
func (s *Service) update(name string, u update, plan func(*FunctionConfiguration) error) (none FunctionConfiguration, _ error) {
	done, err := s.control()
	if err != nil {
		return none, err
	}
	defer done()
	f, err := s.lookup(name)
	if err != nil {
		return none, err
	}
	f.plane.Lock()
	defer f.plane.Unlock()
	v := f.latest
	f.mu.Lock()
	before, code := v.config, v.code
	err = s.changeableLocked(v)
	f.mu.Unlock()
	if err != nil {
		return none, err
	}
	if u.revision != "" && u.revision != before.RevisionID {
		return none, refuse(PreconditionFailed, staleRevision)
	}
	next := before
	if err := plan(&next); err != nil {
		return none, err
	}
	if u.code != nil {
		code = u.code
	}
	if u.dry {
		return next, nil
	}
	next.revise()
	// The reason is AWS's, recorded by LocalStack: test_lambda_api.snapshot.json.
	next.Cause = ""
	next.LastUpdateStatus, next.LastUpdateStatusReason, next.LastUpdateStatusReasonCode = UpdateInProgress, "The function is being created.", ReasonCreating

	begin := []*version{v}
	var published *version
	f.mu.Lock()
	if err := s.changeableLocked(v); err != nil { // an invocation may have begun to restore it
		f.mu.Unlock()
		return none, err
	}
	next.State, next.StateReason, next.StateReasonCode = v.config.State, v.config.StateReason, v.config.StateReasonCode // it may have become Inactive
	answer := next
	v.next = &change{next, code.hold()}
	settled := v.settled
	v.settled = make(chan struct{})
	if u.publish {
		if published = f.sameLocked(next); published != nil {
			answer = published.config
			published = nil
		} else {
			published = s.versionOfLocked(f, change{next, code.hold()})
			answer, begin = published.config, append(begin, published)
		}
	}
	f.mu.Unlock()
	if err := s.keep(f); err != nil {
		f.mu.Lock()
		undone := v.next.code
		close(v.settled) // somebody may wait already
		v.next, v.settled = nil, settled
		f.mu.Unlock()
		s.discard(undone)
		if published != nil {
			s.withdraw(published)
		}
		return none, err
	}
	for _, v := range begin {
		s.begin("update function "+name, v)
	}
	return answer, nil
}

// changeableLocked says whether $LATEST may be changed now. A function that failed, or that is idle, may.
func (s *Service) changeableLocked(v *version) error {
	if v.goneLocked() || v.next != nil {
		return s.notReadyLocked(v)
	}
	return nil
}
