module millrace/bench/compare/append

go 1.19
