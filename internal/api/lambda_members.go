package api

import (
	"context"
	"reflect"
	"slices"

	"enilab/internal/wire"
)

// unsupportedMembers are members of Lambda's requests, wherever they occur, that the lab has nothing for. To ignore one
// would make another function than was asked for, so it is refused by its name, unless its value says "none": tools write
// such values, too. docs/differences.md has the same list; a test compares them.
var unsupportedMembers = []string{
	"CapacityProviderConfig", "CodeSigningConfigArn", "DeadLetterConfig", "DestinationConfig", "DurableConfig", "DurableExecutionName",
	"FileSystemConfigs", "ImageConfig", "ImageUri", "KMSKeyArn", "PublishTo", "S3ObjectStorageMode", "S3ObjectVersion",
	"SnapStart", "SourceKMSKeyArn", "TenancyConfig", "TenantId",
}

// noneValues are what members are that ask for nothing.
var noneValues = []string{"", "None", "COPY"}

// handle gives an operation of Lambda its handler, behind a look at the members that the lab has nothing for.
func handle[In, Out any](s *wire.Server, op wire.Operation[In, Out], handler func(context.Context, *In) (*Out, error)) {
	members := unsupportedIn(reflect.TypeFor[In]())
	if len(members) == 0 {
		wire.Handle(s, op, handler)
		return
	}
	wire.Handle(s, op, func(ctx context.Context, in *In) (*Out, error) {
		if err := refuseMembers(reflect.ValueOf(in).Elem(), members); err != nil {
			return nil, err
		}
		return handler(ctx, in)
	})
}

// unsupportedIn are the unsupported members of a request and of the structures in it.
func unsupportedIn(t reflect.Type) (members []reflect.StructField) {
	for field := range t.Fields() {
		switch {
		case slices.Contains(unsupportedMembers, field.Name):
			members = append(members, field)
		case field.Type.Kind() == reflect.Pointer && field.Type.Elem().Kind() == reflect.Struct:
			for _, inner := range unsupportedIn(field.Type.Elem()) {
				inner.Index = slices.Concat(field.Index, inner.Index)
				members = append(members, inner)
			}
		}
	}
	return members
}

// refuseMembers refuses a request that asks for what the lab has not.
func refuseMembers(in reflect.Value, members []reflect.StructField) error {
	for _, m := range members {
		if v, err := in.FieldByIndexErr(m.Index); err == nil && !asksForNothing(v) { // an error: the structure that it is in is absent
			return unsupported(m.Name)
		}
	}
	return nil
}

// asksForNothing tells whether a value is absent or says "none".
func asksForNothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || asksForNothing(v.Elem())
	case reflect.String:
		return slices.Contains(noneValues, v.String())
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for _, member := range v.Fields() {
			if !asksForNothing(member) {
				return false
			}
		}
		return true
	}
	return false
}
