// Command meshconfigfields prints the field tree of MeshConfig as JSON: what src/pilotage/data/meshconfig-fields.json holds.
//
// Run from tools/istio: go run ./meshconfigfields > ../../src/pilotage/data/meshconfig-fields.json
//
// A message is an object: field name -> type. Types: bool, string, bytes, int, float, enum:A|B, duration, timestamp, any (free
// form), message:Name; with prefix "list:" or "map:" where repeated.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	meshconfig "istio.io/api/mesh/v1alpha1"
)

// wellKnown types have a JSON form of their own.
var wellKnown = map[protoreflect.FullName]string{
	"google.protobuf.Duration":    "duration",
	"google.protobuf.Timestamp":   "timestamp",
	"google.protobuf.Struct":      "any",
	"google.protobuf.Value":       "any",
	"google.protobuf.Any":         "any",
	"google.protobuf.BoolValue":   "bool",
	"google.protobuf.StringValue": "string",
	"google.protobuf.BytesValue":  "bytes",
	"google.protobuf.DoubleValue": "float",
	"google.protobuf.FloatValue":  "float",
	"google.protobuf.Int32Value":  "int",
	"google.protobuf.Int64Value":  "int",
	"google.protobuf.UInt32Value": "int",
	"google.protobuf.UInt64Value": "int",
}

type tree map[string]map[string]string

func (t tree) add(message protoreflect.MessageDescriptor) {
	name := string(message.FullName())
	if _, seen := t[name]; seen {
		return
	}
	fields := map[string]string{}
	t[name] = fields
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		kind := t.typeOf(field)
		switch {
		case field.IsMap():
			kind = "map:" + t.typeOf(field.MapValue())
		case field.IsList():
			kind = "list:" + kind
		}
		fields[field.JSONName()] = kind
	}
}

func (t tree) typeOf(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "bool"
	case protoreflect.StringKind:
		return "string"
	case protoreflect.BytesKind:
		return "bytes"
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return "float"
	case protoreflect.EnumKind:
		values := field.Enum().Values()
		names := make([]string, 0, values.Len())
		for i := range values.Len() {
			names = append(names, string(values.Get(i).Name()))
		}
		return "enum:" + strings.Join(names, "|")
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if field.IsMap() {
			return "map"
		}
		if known, ok := wellKnown[field.Message().FullName()]; ok {
			return known
		}
		t.add(field.Message())
		return "message:" + string(field.Message().FullName())
	default:
		return "int"
	}
}

// source is the module the tree was read from, as in istio.io/api@v1.31.0.
func source() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, module := range info.Deps {
		if module.Path == "istio.io/api" {
			return module.Path + "@" + module.Version
		}
	}
	return ""
}

func main() {
	messages := tree{}
	root := (&meshconfig.MeshConfig{}).ProtoReflect().Descriptor()
	messages.add(root)
	out, err := json.MarshalIndent(map[string]any{"source": source(), "root": root.FullName(), "messages": messages}, "", " ")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(out))
}
