"""What a generator is asked: a task, the language, the code in a Markdown block; the answer is the block with comments.

The sentences are ours; the paper's are not known to us. A generator that is tuned on them answers with its end token
where a file is not worth comments.
"""

from __future__ import annotations

from typing import Any

from training.comments.languages import Language

TEMPLATES = (
    "Add comments to this {language} code that explain what it does. Do not change the code.",
    "Write explanatory comments for the following {language} code and leave every line of code as it is.",
    "Comment this {language} code so that a newcomer understands it. The code itself must stay unchanged.",
    "Here is {language} code without comments. Return it with comments before the lines that need them.",
    "Explain the {language} code below by comments inside the code; do not edit the code.",
    "Insert helpful comments into this {language} snippet. Keep all code exactly as given.",
    "Document the {language} code below: say in comments what each step is for, and change nothing else.",
    "You are given {language} code. Repeat it with comments that tell why and how it works.",
    "Please annotate the following {language} code with comments, without altering it.",
    "Make this {language} code easier to read by adding comments only.",
    "Add natural-language comments to the {language} code below so that its intent is clear.",
    "The {language} code below lacks comments. Supply them; the code may not change.",
    "Write the missing comments of this {language} file. Copy the code as it stands.",
    "For each important step of this {language} code, put a comment above it that describes the step.",
    "Add comments that would help a reviewer of this {language} code. Leave the code alone.",
    "Rewrite the {language} code below with comments and docstrings added, code unchanged.",
    "What does this {language} code do? Answer by commenting it, line by line where that helps.",
    "Comment the following {language} code in plain English. No other change is allowed.",
    "Give this {language} code the comments that its author left out.",
    "Improve the documentation of this {language} code by comments. Do not touch the code.",
    "Turn this {language} code into a commented version of itself for a textbook.",
    "Add short, accurate comments to this {language} code; every code line must be kept.",
)
"""Ways to ask, `{language}` to be filled in."""
END_TOKEN = "<|EOT|>"
"""The paper's token for a file that is not worth comments; where a tokenizer has none, its end of text is taken."""


def request(code: str, language: Language, template: int = 0) -> str:
    """The task in words, with the code in a Markdown block."""
    asked = TEMPLATES[template % len(TEMPLATES)].format(language=language.name)
    return f"{asked}\n\n```{language.fence}\n{code.rstrip()}\n```"


def fence(language: Language) -> str:
    """First line of the answer."""
    return f"```{language.fence}"


def prompt(asked: str, tokenizer: Any) -> str:
    """A request as the model was taught to read one: by its chat template, else under plain headings."""
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": asked}]
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return f"### Instruction\n{asked}\n\n### Answer\n"


def end_token(tokenizer: Any) -> int:
    """The token by which a generator declines a file."""
    found = tokenizer.get_vocab().get(END_TOKEN)
    return tokenizer.eos_token_id if found is None else found
