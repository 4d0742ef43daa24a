package enilab.runtime;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.CustomPojoSerializer;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/** The function's handler as what it comes down to: bytes in, bytes out. */
interface Handler {
    byte[] call(byte[] event, Context context) throws Throwable;

    /**
     * Finds what "package.Class" or "package.Class::method" names. Who cannot be found is told to who invokes the function,
     * what fails while it is loaded at once.
     */
    static Handler load(String name, ClassLoader loader) {
        int colons = name.lastIndexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        String method = colons < 0 ? null : name.substring(colons + 2);
        if (className.isEmpty() || "".equals(method)) return failing(Fault.of("Invalid handler: `" + name + "'"));
        Class<?> c;
        try {
            c = Class.forName(className, true, loader);
        } catch (ClassNotFoundException e) {
            return failing(Fault.found("Class not found: " + className, e, false));
        } catch (NoClassDefFoundError e) {
            return failing(notLoaded(className, e));
        } catch (Throwable t) {
            throw notLoaded(className, t);
        }
        try {
            return method == null ? ofInterface(c, loader) : ofMethod(c, method, loader);
        } catch (Fault f) {
            if (f.fatal) throw f;
            return failing(f);
        }
    }

    private static Fault notLoaded(String className, Throwable t) {
        return Fault.found("Error loading class " + className + (t.getMessage() == null ? "" : ": " + t.getMessage()), t, true);
    }

    private static Handler failing(Fault f) {
        return (event, context) -> {
            throw f;
        };
    }

    private static Object instance(Class<?> c) {
        Constructor<?> constructor;
        try {
            constructor = c.getConstructor();
        } catch (NoSuchMethodException e) {
            boolean inner = c.getEnclosingClass() != null && !Modifier.isStatic(c.getModifiers());
            String why = "Class " + c.getName() + (inner ? " cannot be instantiated because it is a non-static inner class" : " has no public zero-argument constructor");
            throw Fault.found(why, inner ? new Exception(why) : new Exception(why, e), false);
        }
        try {
            return constructor.newInstance();
        } catch (InvocationTargetException e) { // the function's own code fails
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw Fault.found(Fault.message(cause), cause, true);
        } catch (ReflectiveOperationException e) {
            throw Fault.found(Fault.message(e), e, false);
        }
    }

    // ---- AWS's interfaces

    private static Handler ofInterface(Class<?> c, ClassLoader loader) {
        if (RequestStreamHandler.class.isAssignableFrom(c)) {
            RequestStreamHandler h = (RequestStreamHandler) instance(c);
            return (event, context) -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                h.handleRequest(new ByteArrayInputStream(event), out, context);
                return out.toByteArray();
            };
        }
        if (!RequestHandler.class.isAssignableFrom(c)) {
            throw Fault.of("Class does not implement an appropriate handler interface: " + c.getName());
        }
        Type[] types = parameters(c, RequestHandler.class, new HashMap<>());
        if (types == null) {
            throw Fault.of("Class " + c.getName() + " does not implement RequestHandler with concrete type parameters");
        }
        for (Type t : types) {
            if (t instanceof TypeVariable && Binding.raw(t) == Object.class) {
                throw Fault.of("Class " + c.getName() + " does not implement RequestHandler with concrete type parameters: parameter " + t + " has no upper bound.");
            }
        }
        @SuppressWarnings("unchecked")
        RequestHandler<Object, Object> h = (RequestHandler<Object, Object>) instance(c);
        return converting(types[0], types[1], loader, h::handleRequest);
    }

    /** The type arguments that a class gives to an interface, through whatever lies between; null if it gives none. */
    private static Type[] parameters(Type type, Class<?> of, Map<TypeVariable<?>, Type> known) {
        Class<?> c = Binding.raw(type);
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            for (int i = 0; i < arguments.length; i++) known.put(c.getTypeParameters()[i], known.getOrDefault(arguments[i], arguments[i]));
            if (c == of) return Arrays.stream(c.getTypeParameters()).map(known::get).toArray(Type[]::new);
        }
        List<Type> above = new ArrayList<>(Arrays.asList(c.getGenericInterfaces()));
        if (c.getGenericSuperclass() != null) above.add(c.getGenericSuperclass());
        for (Type t : above) {
            Type[] found = parameters(t, of, known);
            if (found != null) return found;
        }
        return null;
    }

    // ---- any method

    private static Handler ofMethod(Class<?> c, String name, ClassLoader loader) {
        List<Method> methods = new ArrayList<>();
        try {
            for (Method m : c.getMethods()) {
                if (m.getName().equals(name)) methods.add(m);
            }
        } catch (NoClassDefFoundError e) {
            throw Fault.found("Error loading method " + name + " on class " + c.getName(), e, false);
        }
        // Those that the compiler made come last. The more arguments the better, and a context counts twice.
        methods.sort((a, b) -> a.isBridge() != b.isBridge() ? Boolean.compare(a.isBridge(), b.isBridge()) : Integer.compare(weight(b), weight(a)));
        for (Method m : methods) {
            Handler h = ofSignature(c, m, loader);
            if (h != null) return h;
        }
        throw Fault.of("No public method named " + name + " with appropriate method signature found on class " + c.getName());
    }

    private static int weight(Method m) {
        Class<?>[] p = m.getParameterTypes();
        return p.length + (p.length > 0 && p[p.length - 1] == Context.class ? 1 : 0);
    }

    /** Takes (InputStream, OutputStream, Context) and (anything, Context), without any of these; null for what else there is. */
    private static Handler ofSignature(Class<?> c, Method m, ClassLoader loader) {
        List<Class<?>> kinds = new ArrayList<>(Arrays.asList(m.getParameterTypes()));
        boolean context = kinds.remove(Context.class);
        boolean streams = kinds.contains(InputStream.class) || kinds.contains(OutputStream.class);
        boolean inOrder = !context || m.getParameterTypes()[m.getParameterCount() - 1] == Context.class;
        List<Class<?>> both = List.of(InputStream.class, OutputStream.class);
        if (!inOrder || kinds.size() > (streams ? 2 : 1) || streams && kinds.size() == 2 && !kinds.equals(both)) return null;
        Object of = Modifier.isStatic(m.getModifiers()) ? null : instance(c);
        m.setAccessible(true);
        if (streams) {
            return (event, invocation) -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                List<Object> arguments = new ArrayList<>();
                if (kinds.contains(InputStream.class)) arguments.add(new ByteArrayInputStream(event));
                if (kinds.contains(OutputStream.class)) arguments.add(out);
                if (context) arguments.add(invocation);
                invoke(m, of, arguments);
                return kinds.contains(OutputStream.class) ? out.toByteArray() : "null".getBytes(StandardCharsets.UTF_8);
            };
        }
        Type takes = kinds.isEmpty() ? null : m.getGenericParameterTypes()[0];
        return converting(takes, m.getGenericReturnType(), loader, (input, invocation) -> {
            List<Object> arguments = new ArrayList<>();
            if (takes != null) arguments.add(input);
            if (context) arguments.add(invocation);
            return invoke(m, of, arguments);
        });
    }

    private static Object invoke(Method m, Object of, List<Object> arguments) throws Throwable {
        try {
            return m.invoke(of, arguments.toArray());
        } catch (InvocationTargetException e) {
            throw e.getCause() == null ? e : e.getCause();
        }
    }

    // ---- types

    /** A function of objects. */
    interface Typed {
        Object call(Object input, Context context) throws Throwable;
    }

    /** Reads and writes the JSON around a function. Without a type to take, the event is not looked at. */
    private static Handler converting(Type takes, Type gives, ClassLoader loader, Typed function) {
        CustomPojoSerializer own = serializer(loader);
        return (event, context) -> {
            Object input = null;
            try {
                if (takes != null && own != null) input = own.fromJson(new ByteArrayInputStream(event), takes);
                else if (takes != null) input = Binding.read(Json.parse(new String(event, StandardCharsets.UTF_8)), takes);
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON parsing", t);
            }
            Object output = function.call(input, context);
            try {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                if (gives == void.class || gives == Void.class) out.write("null".getBytes(StandardCharsets.UTF_8));
                else if (own != null) own.toJson(output, out, gives);
                else out.write(Binding.write(output).getBytes(StandardCharsets.UTF_8));
                return out.toByteArray();
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON serialization of response", t);
            }
        };
    }

    private static CustomPojoSerializer serializer(ClassLoader loader) {
        Iterator<CustomPojoSerializer> found = ServiceLoader.load(CustomPojoSerializer.class, loader).iterator();
        if (!found.hasNext()) return null;
        CustomPojoSerializer own = found.next();
        if (found.hasNext()) throw Fault.of("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        return own;
    }
}
