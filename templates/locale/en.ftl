# The English texts. Keys and arguments are listed in src/i18n/texts.rs; a test compares.

# --- the question and its scale: survey page and mail ---
csat_question = Overall, how satisfied are you with the support you received?
csat_1 = Very dissatisfied
csat_2 = Dissatisfied
csat_3 = Neither
csat_4 = Satisfied
csat_5 = Very satisfied
ces_question = How much do you agree: { $company } made it easy for me to handle my issue.
ces_question_unnamed = How much do you agree: You made it easy for me to handle my issue.
ces_1 = Strongly disagree
ces_2 = Disagree
ces_3 = Somewhat disagree
ces_4 = Neither
ces_5 = Somewhat agree
ces_6 = Agree
ces_7 = Strongly agree
effort_question = How easy was it to have your problem solved?
effort_1 = Very easy
effort_2 = Easy
effort_3 = Somewhat easy
effort_4 = Neither
effort_5 = Somewhat hard
effort_6 = Hard
effort_7 = Very hard
nps_question = How likely are you to recommend { $company } to a friend or colleague?
nps_question_unnamed = How likely are you to recommend us to a friend or colleague?
nps_low = Not at all likely
nps_high = Extremely likely
follow_up_low = What went wrong, and what would put it right?
follow_up_middle = What was missing?
follow_up_high = What did we do well?
follow_up_any = Would you like to tell us more?
scale_point = { $score } of { $top }
scale_point_named = { $score } of { $top }, { $word }

# --- the survey page ---
survey_title = One question from { $company }
survey_title_unnamed = One question for you
survey_title_error = Please check: { $title }
survey_chosen = You chose { $score } of { $top }.
survey_chosen_hint = You can still change it.
survey_optional = optional
survey_comment_limit = Up to { $limit } characters.
survey_consent = You may quote my comment in public, without my name.
survey_send = Send
survey_privacy = No cookies, no tracking. Please leave out card numbers and passwords.
survey_score_missing = Please choose an answer from { $low } to { $high }.
survey_comment_too_long = Your comment is longer than { $limit } characters. Please shorten it; nothing you wrote is lost.
survey_form_stale = This page had been open for a long time, so your answer is not stored yet. Please press Send once more.
survey_not_stored = We could not store your answer just now. It is still here: please press Send again in a moment.

# --- the page that asks a person to press once more ---
confirm_title = Is this your answer?
confirm_why = Some mail programs open links by themselves. Press the button, and we know that it was you.
confirm_send = Yes, send it

# --- the thanks page ---
thanks_title = Thank you
thanks_rated = You rated { $score } of { $top }.
thanks_note = Your answer is saved. You can change it with the same link.
thanks_change = Change my answer
thanks_happiness = See how others rated us

# --- notices ---
not_found_title = This link leads nowhere
not_found_text = Perhaps a part of it was lost on the way. Please open the link in your message again, or copy the whole of it.
expired_title = This link has expired
expired_text = Thank you for wanting to answer. The time for it has passed, so we can take no answer here any more. If something is still unsolved, please write to the support team.
withdrawn_title = This question is no longer open
withdrawn_text = It was taken back, perhaps because your request was opened again. There is nothing you need to do.
closed_title = This survey is closed
closed_text = Thank you for wanting to answer. This survey takes no more answers.
settled_title = Your answer can no longer be changed
settled_text = It was counted some time ago. Thank you for it!
too_many_title = One moment, please
too_many_text = { $seconds ->
    [one] There were many tries in a short time. Please try again in { $seconds } second.
   *[other] There were many tries in a short time. Please try again in { $seconds } seconds.
}
unavailable_title = Please try again in a moment
unavailable_text = Something on our side is not working. If you sent an answer just now, it is not stored yet: please go back and press the button again.

# --- any other page that cannot be shown ---
page_missing_title = There is nothing here
page_missing_text = This address leads nowhere. It may have been mistyped.
page_busy_title = Please try again in a moment
page_busy_text = Much is going on here right now.
page_failed_title = That did not work
page_failed_text = The request could not be answered. If it happens again, tell whoever runs this service.

# --- unsubscribing ---
unsubscribe_title = Stop these e-mails?
unsubscribe_text = You will get no more surveys from { $company }. Messages about your requests still reach you.
unsubscribe_text_unnamed = You will get no more surveys from us. Messages about your requests still reach you.
unsubscribe_confirm = Yes, stop them
unsubscribed_title = You are unsubscribed
unsubscribed_text = { $company } will send you no more surveys.
unsubscribed_text_unnamed = We will send you no more surveys.

# --- mail ---
mail_subject = One question from { $company }
mail_subject_unnamed = One question for you
mail_greeting = Hello { $name },
mail_greeting_unnamed = Hello,
mail_closed = Your request has been closed. May we ask you one question about it?
mail_invite = May we ask you one question?
mail_ticket = Request { $id }
mail_agent = Answered by { $name }
mail_end = { $score } = { $word }
mail_one_click = One click is enough. You can add a comment on the page that opens.
mail_open = Or open the survey page
mail_why = You get this e-mail because you were in contact with { $company }.
mail_why_unnamed = You get this e-mail because you were in contact with us.
mail_unsubscribe = Stop these e-mails

# --- the reminder: what differs from the first mail ---
reminder_subject = A short reminder: one question from { $company }
reminder_subject_unnamed = A short reminder: one question for you
reminder_closed = A while ago we asked you about your request. If you have a moment, we would still like to know how it went. This is our only reminder.
reminder_invite = A while ago we asked you one question. If you have a moment, we would still like to know. This is our only reminder.

# --- the short wording of SMS and chat ---
message_ask = { $company } has one question for you. It takes one tap: { $link }
message_ask_unnamed = We have one question for you. It takes one tap: { $link }
message_remind = { $company }: a short reminder. One question, one tap: { $link }
message_remind_unnamed = A short reminder: one question, one tap: { $link }

# --- the happiness report ---
happiness_eyebrow = Happiness report
happiness_title = { $title }: happiness report
happiness_csat_headline = { $part } of { $count } satisfied
happiness_ces_headline = { $part } of { $count } found it easy
happiness_nps_headline = NPS { $score }
happiness_share_interval = The true share is probably between { $low } and { $high }%.
happiness_nps_interval = The true figure is probably between { $low } and { $high }.
happiness_last = The last { $count } votes
happiness_span = { $from } to { $to }
happiness_newest_first = Newest first
happiness_promoters = Promoters
happiness_passives = Passives
happiness_detractors = Detractors
happiness_scores = Votes by score
happiness_score = Score
happiness_votes = Votes
happiness_all = All { $count } votes
happiness_comments = In their own words
happiness_comments_why = Comments appear with the consent of those who wrote them, and are checked for personal data and abuse, never for the score.
happiness_people = Who was asked
happiness_response = { $answered } of { $invited } people who were asked have answered ({ $rate }).
happiness_everybody = Everybody is asked when a request is closed.
happiness_sample = { $percent }% of all requests are picked at random and asked about when they are closed.
happiness_quiet = { $days ->
    [one] Nobody is asked twice within a day.
   *[other] Nobody is asked twice within { $days } days.
}
happiness_rules = Every vote given through a personal link counts, whatever the score. New votes appear { $lot } at a time, or after a day, so that none can be tied to a person.
happiness_since = Votes since { $day }.
happiness_updated = Last changed on { $day }.
happiness_collecting = Not enough votes yet: { $n } of { $minimum }
happiness_collecting_why = Nothing is shown before, so that no vote can be tied to a person.
happiness_data = These figures as JSON
happiness_list_title = Happiness reports
happiness_list_text = What customers say about the help they got, published as they said it.
happiness_list_empty = No report is public yet.

# --- the start page ---
start_title = nabz is running
start_text = It asks a customer one question after an interaction, and shows what the answers say.
start_running = What is running
start_version = Version
start_engine = Database
start_address = Address
start_mail = Mail goes to
start_steps = The first three steps
start_key = Create an API key
start_key_text = On the machine where nabz runs. The key is shown once.
start_survey = Create a survey
start_survey_text = Satisfaction on a scale of five, with a public report.
start_interaction = Send an interaction
start_interaction_text = A closed ticket. The answer carries the customer's link; open it and vote.
start_more = Go on from here
start_mailbox = Look at the mails
start_docs = The API, readable
start_happiness = Public happiness reports
start_openapi = The API for programs (OpenAPI)
start_health = Is it alive?
