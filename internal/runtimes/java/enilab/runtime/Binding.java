package enilab.runtime;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;

/**
 * Makes objects of JSON and JSON of objects, in the way that AWS's runtime has set its Jackson to: unknown properties are
 * nothing, null properties are left out, annotations of the function's own Jackson do not count.
 */
final class Binding {
    private Binding() {}

    // ---- from JSON

    static Object read(Object json, Type type) {
        if (type instanceof ParameterizedType) {
            ParameterizedType p = (ParameterizedType) type;
            return read(json, (Class<?>) p.getRawType(), p.getActualTypeArguments());
        }
        if (type instanceof GenericArrayType) return readArray(json, ((GenericArrayType) type).getGenericComponentType());
        return read(json, raw(type), new Type[0]);
    }

    /** The class that stands for a type. */
    static Class<?> raw(Type type) {
        if (type instanceof Class) return (Class<?>) type;
        if (type instanceof ParameterizedType) return raw(((ParameterizedType) type).getRawType());
        if (type instanceof TypeVariable) return raw(((TypeVariable<?>) type).getBounds()[0]);
        if (type instanceof WildcardType) return raw(((WildcardType) type).getUpperBounds()[0]);
        return Array.newInstance(raw(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
    }

    private static IllegalArgumentException cannot(Object json, Class<?> c) {
        StringBuilder b = new StringBuilder();
        write(json, b);
        String text = b.length() > 80 ? b.substring(0, 80) + "…" : b.toString();
        return new IllegalArgumentException("Cannot deserialize value of type `" + c.getTypeName() + "` from " + text);
    }

    private static Object read(Object json, Class<?> c, Type[] parameters) {
        if (c == Object.class) return json;
        if (c == Optional.class) return Optional.ofNullable(json == null ? null : read(json, parameter(parameters, 0)));
        if (c.isPrimitive()) return readScalar(json == null || "".equals(json) ? (c == boolean.class ? (Object) false : 0) : json, boxed(c));
        if (json == null || "".equals(json) && c != String.class && c != byte[].class) return null;
        if (c == byte[].class && json instanceof String) return Base64.getDecoder().decode((String) json);
        if (c.isArray()) return readArray(json, c.getComponentType());
        if (c.isEnum()) return readEnum(json, c);
        if (Map.class.isAssignableFrom(c)) return readMap(json, c, parameters);
        if (Collection.class.isAssignableFrom(c) || c == Iterable.class) return readCollection(json, c, parameter(parameters, 0));
        if (!(json instanceof Map)) return readScalar(json, c);
        return readObject((Map<?, ?>) json, c);
    }

    private static Type parameter(Type[] parameters, int i) {
        return i < parameters.length ? parameters[i] : Object.class;
    }

    private static Class<?> boxed(Class<?> primitive) {
        return Array.get(Array.newInstance(primitive, 1), 0).getClass();
    }

    private static Object readScalar(Object json, Class<?> c) {
        String text = json instanceof Map || json instanceof List ? null : json.toString();
        try {
            if (text == null) throw cannot(json, c);
            if (c.isInstance(json)) return json;
            if (c == String.class || c == CharSequence.class) return text;
            if (c == Boolean.class && (text.equals("true") || text.equals("false"))) return Boolean.valueOf(text);
            if (c == Character.class) return json instanceof Number ? (char) ((Number) json).intValue() : text.charAt(0);
            if (c == Date.class) return json instanceof Number ? new Date(((Number) json).longValue()) : Date.from(java.time.OffsetDateTime.parse(text).toInstant());
            if (c == UUID.class) return UUID.fromString(text);
            if (Number.class.isAssignableFrom(c) && !(json instanceof Boolean)) return readNumber(new BigDecimal(text), c);
            if (c.getName().startsWith("java.time.")) return c.getMethod("parse", CharSequence.class).invoke(null, text);
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw (IllegalArgumentException) cannot(json, c).initCause(e);
        }
        throw cannot(json, c);
    }

    private static Object readNumber(BigDecimal n, Class<?> c) {
        if (c == Integer.class) return n.toBigInteger().intValueExact(); // a fraction is cut off, as Jackson does
        if (c == Long.class) return n.toBigInteger().longValueExact();
        if (c == Short.class) return n.toBigInteger().shortValueExact();
        if (c == Byte.class) return n.toBigInteger().byteValueExact();
        if (c == Double.class) return n.doubleValue();
        if (c == Float.class) return n.floatValue();
        if (c == BigInteger.class) return n.toBigInteger();
        if (c == BigDecimal.class || c == Number.class) return n;
        throw new IllegalArgumentException(c.getName());
    }

    private static Object readEnum(Object json, Class<?> c) {
        for (Object constant : c.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(json)) return constant;
        }
        return null;
    }

    /** A single value is a list of one. */
    private static List<?> listOf(Object json) {
        return json instanceof List ? (List<?>) json : List.of(json);
    }

    private static Object readArray(Object json, Type component) {
        if (json == null) return null;
        List<?> list = listOf(json);
        Object array = Array.newInstance(raw(component), list.size());
        for (int i = 0; i < list.size(); i++) Array.set(array, i, read(list.get(i), component));
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Object readCollection(Object json, Class<?> c, Type element) {
        Collection<Object> into;
        if (!c.isInterface()) into = (Collection<Object>) make(c);
        else if (c.isAssignableFrom(ArrayList.class)) into = new ArrayList<>();
        else if (c == Set.class) into = new LinkedHashSet<>();
        else if (c.isAssignableFrom(java.util.TreeSet.class)) into = new java.util.TreeSet<>();
        else into = new java.util.ArrayDeque<>();
        for (Object e : listOf(json)) into.add(read(e, element));
        return into;
    }

    @SuppressWarnings("unchecked")
    private static Object readMap(Object json, Class<?> c, Type[] parameters) {
        if (!(json instanceof Map)) throw cannot(json, c);
        Map<Object, Object> into;
        if (!c.isInterface()) into = (Map<Object, Object>) make(c);
        else if (c.isAssignableFrom(LinkedHashMap.class)) into = new LinkedHashMap<>();
        else into = c.isAssignableFrom(TreeMap.class) ? new TreeMap<>() : new java.util.concurrent.ConcurrentHashMap<>();
        for (Map.Entry<?, ?> e : ((Map<?, ?>) json).entrySet()) {
            Object key = raw(parameter(parameters, 0)) == Object.class ? e.getKey() : read(e.getKey(), parameter(parameters, 0));
            into.put(key, read(e.getValue(), parameter(parameters, 1)));
        }
        return into;
    }

    private static Object make(Class<?> c) {
        try {
            Constructor<?> constructor = c.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw new IllegalArgumentException("Cannot construct instance of `" + c.getName() + "`: it needs a constructor without arguments, or to be a record", e);
        }
    }

    private static Object readObject(Map<?, ?> json, Class<?> c) {
        try {
            if (isRecord(c)) return readRecord(json, c);
            Object o = make(c);
            for (Map.Entry<?, ?> e : json.entrySet()) set(o, (String) e.getKey(), e.getValue());
            return o;
        } catch (ReflectiveOperationException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new IllegalArgumentException("Cannot deserialize value of type `" + c.getName() + "`: " + cause, cause);
        }
    }

    /** Java has records since 16; this is compiled for 11. */
    private static boolean isRecord(Class<?> c) {
        return c.getSuperclass() != null && c.getSuperclass().getName().equals("java.lang.Record");
    }

    /** The components of a record are its fields, in order. */
    private static List<Field> components(Class<?> c) {
        List<Field> list = new ArrayList<>();
        for (Field f : c.getDeclaredFields()) {
            if (!Modifier.isStatic(f.getModifiers())) list.add(f);
        }
        return list;
    }

    private static Object readRecord(Map<?, ?> json, Class<?> c) throws ReflectiveOperationException {
        List<Field> components = components(c);
        Object[] values = new Object[components.size()];
        Class<?>[] types = new Class<?>[values.length];
        for (int i = 0; i < values.length; i++) {
            Field f = components.get(i);
            types[i] = f.getType();
            values[i] = read(json.get(f.getName()), f.getGenericType());
        }
        Constructor<?> canonical = c.getDeclaredConstructor(types);
        canonical.setAccessible(true);
        return canonical.newInstance(values);
    }

    /** Sets a property by its setter or its public field. AWS's own event classes differ from their JSON in capitals. */
    private static void set(Object o, String name, Object value) throws ReflectiveOperationException {
        Method setter = null;
        for (Method m : o.getClass().getMethods()) {
            if (!m.getName().startsWith("set") || m.getParameterCount() != 1 || m.isBridge() || Modifier.isStatic(m.getModifiers())) continue;
            String property = m.getName().substring(3);
            if (decapitalize(property).equals(name) || setter == null && property.equalsIgnoreCase(name)) setter = m;
        }
        if (setter != null) {
            setter.setAccessible(true);
            setter.invoke(o, read(value, setter.getGenericParameterTypes()[0]));
            return;
        }
        for (Field f : o.getClass().getFields()) {
            if (f.getName().equals(name) && !Modifier.isStatic(f.getModifiers())) {
                f.setAccessible(true);
                f.set(o, read(value, f.getGenericType()));
            }
        }
    }

    /** As java.beans.Introspector does it, which is in a module of its own. */
    private static String decapitalize(String s) {
        if (s.isEmpty() || s.length() > 1 && Character.isUpperCase(s.charAt(0)) && Character.isUpperCase(s.charAt(1))) return s;
        return Character.toLowerCase(s.charAt(0)) + s.substring(1);
    }

    // ---- to JSON

    static void write(Object v, StringBuilder b) {
        if (v instanceof Optional) v = ((Optional<?>) v).orElse(null);
        if (v == null || v instanceof Boolean) b.append(v);
        else if (v instanceof Number) writeNumber((Number) v, b);
        else if (v instanceof byte[]) Json.quote(Base64.getEncoder().encodeToString((byte[]) v), b);
        else if (v instanceof char[]) Json.quote(new String((char[]) v), b);
        else if (v instanceof Date) b.append(((Date) v).getTime());
        else if (v instanceof Enum) Json.quote(((Enum<?>) v).name(), b);
        else if (v instanceof CharSequence || v instanceof Character || v instanceof UUID || v.getClass().getName().startsWith("java.time.")) Json.quote(v.toString(), b);
        else if (v instanceof Map) writeMap((Map<?, ?>) v, b);
        else if (v instanceof Iterable) writeAll((Iterable<?>) v, b);
        else if (v.getClass().isArray()) writeAll(elements(v), b);
        else writeMap(properties(v), b);
    }

    private static void writeNumber(Number n, StringBuilder b) {
        double d = n.doubleValue();
        if ((n instanceof Double || n instanceof Float) && (Double.isNaN(d) || Double.isInfinite(d))) Json.quote(n.toString(), b);
        else b.append(n);
    }

    private static List<Object> elements(Object array) {
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < Array.getLength(array); i++) list.add(Array.get(array, i));
        return list;
    }

    private static void writeAll(Iterable<?> list, StringBuilder b) {
        String separator = "[";
        for (Object e : list) {
            b.append(separator);
            write(e, b);
            separator = ",";
        }
        b.append(separator.equals("[") ? "[]" : "]");
    }

    private static void writeMap(Map<?, ?> map, StringBuilder b) {
        String separator = "{";
        for (Map.Entry<?, ?> e : map.entrySet()) {
            b.append(separator);
            Object key = e.getKey();
            Json.quote(key instanceof Enum ? ((Enum<?>) key).name() : String.valueOf(key), b);
            b.append(':');
            write(e.getValue(), b);
            separator = ",";
        }
        b.append(separator.equals("{") ? "{}" : "}");
    }

    /** An object's properties that are not null: of its fields in the order in which they are declared, then of other getters. */
    private static Map<String, Object> properties(Object o) {
        Map<String, Method> getters = new TreeMap<>();
        for (Method m : o.getClass().getMethods()) {
            String name = m.getName();
            if (m.getParameterCount() != 0 || m.isBridge() || Modifier.isStatic(m.getModifiers()) || m.getReturnType() == void.class || m.getDeclaringClass() == Object.class) continue;
            if (name.startsWith("get") && name.length() > 3) getters.put(decapitalize(name.substring(3)), m);
            else if (name.startsWith("is") && name.length() > 2 && m.getReturnType() == boolean.class) getters.putIfAbsent(decapitalize(name.substring(2)), m);
        }
        List<Class<?>> classes = new ArrayList<>();
        for (Class<?> c = o.getClass(); c != null && c != Object.class; c = c.getSuperclass()) classes.add(0, c);
        Map<String, Object> properties = new LinkedHashMap<>();
        try {
            for (Class<?> c : classes) {
                for (Field f : c.getDeclaredFields()) {
                    Method getter = getters.remove(f.getName());
                    if (getter != null) put(properties, f.getName(), get(getter, o));
                    else if (isRecord(c) || Modifier.isPublic(f.getModifiers()) && !Modifier.isTransient(f.getModifiers())) {
                        if (Modifier.isStatic(f.getModifiers())) continue;
                        f.setAccessible(true);
                        put(properties, f.getName(), f.get(o));
                    }
                }
            }
            for (Map.Entry<String, Method> e : getters.entrySet()) put(properties, e.getKey(), get(e.getValue(), o));
        } catch (ReflectiveOperationException | RuntimeException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new IllegalArgumentException("Cannot serialize value of type `" + o.getClass().getName() + "`: " + cause, cause);
        }
        return properties;
    }

    private static Object get(Method getter, Object o) throws ReflectiveOperationException {
        getter.setAccessible(true);
        return getter.invoke(o);
    }

    private static void put(Map<String, Object> properties, String name, Object value) {
        if (value != null) properties.put(name, value);
    }

    static String write(Object v) {
        StringBuilder b = new StringBuilder();
        write(v, b);
        return b.toString();
    }}
