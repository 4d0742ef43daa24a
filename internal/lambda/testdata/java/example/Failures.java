package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

public class Failures implements RequestHandler<String, String> {
    @Override
    public String handleRequest(String event, Context context) {
        throw new IllegalStateException("too far", new RuntimeException("the reason"));
    }

    public String checked(String event) throws Exception { throw new Exception(); }

    public String exit(String event) { System.exit(3); return null; }

    public String overflow(int n) { return overflow(n + 1); }

    public static class Constructor {
        public Constructor() { throw new IllegalArgumentException("no instance"); }

        public String handle(String event) { return event; }
    }

    public static class Initializer {
        static final int X = 1 / Integer.parseInt("0");

        public String handle(String event) { return event; }
    }

    public static class Needed {}

    public static class Needs extends Needed {
        public String handle(String event) { return event; }
    }

    public static class NoInterface {}

    public static class Private {
        private Private() {}

        public String handle(String event) { return event; }
    }

    public static class Open<T> implements RequestHandler<T, String> {
        @Override
        public String handleRequest(T event, Context context) { return "" + event; }
    }

    public abstract static class Base<A, B> implements RequestHandler<B, A> {}

    public static class Derived extends Base<Integer, java.util.List<String>> {
        @Override
        public Integer handleRequest(java.util.List<String> list, Context context) { return list.get(0).length(); }
    }
}
