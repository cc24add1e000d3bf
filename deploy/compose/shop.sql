CREATE TABLE public.orders (id int PRIMARY KEY, status text NOT NULL, total numeric(10, 2) NOT NULL);
INSERT INTO public.orders (id, status, total) VALUES (1, 'new', 49.90), (2, 'paid', 1299.00);
