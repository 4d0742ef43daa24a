package api

import (
	"reflect"
	"slices"
)

// unsupportedMembers are members of Lambda's requests, wherever they occur, that the lab has nothing for. To ignore one
// would make another function than was asked for, so it is refused by its name, unless its value says "none": tools write
// such values, too.
var unsupportedMembers = []string{
	"CapacityProviderConfig", "CodeSigningConfigArn", "DeadLetterConfig", "DestinationConfig", "DurableConfig", "DurableExecutionName",
	"FileSystemConfigs", "ImageConfig", "ImageUri", "KMSKeyArn", "PublishTo", "S3ObjectStorageMode", "S3ObjectVersion",
	"SnapStart", "SourceKMSKeyArn", "TenancyConfig", "TenantId",
}

// noneValues are what members are that ask for nothing.
var noneValues = []string{"", "None", "COPY"}

// refuseMembers refuses a request that asks for what the lab has not.
func refuseMembers(in any) error { return refuseMembersOf(reflect.ValueOf(in).Elem()) }

func refuseMembersOf(v reflect.Value) error {
	for i := range v.NumField() {
		name, field := v.Type().Field(i).Name, v.Field(i)
		switch {
		case asksForNothing(field):
		case slices.Contains(unsupportedMembers, name):
			return unsupported(name)
		case field.Kind() == reflect.Pointer && field.Elem().Kind() == reflect.Struct:
			if err := refuseMembersOf(field.Elem()); err != nil {
				return err
			}
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
